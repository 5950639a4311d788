"""`python -m b2track`, which is also what `torchrun -m` takes."""

from b2track.main import main

if __name__ == "__main__":
    main()
