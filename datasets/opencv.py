"""The one place that imports OpenCV, so that a machine without its system libraries gets a remedy."""

try:
    import cv2
except ImportError as error:
    raise ImportError(
        f"OpenCV cannot be loaded ({error}); install its system libraries (Debian, Ubuntu: "
        "apt-get install libgl1 libglib2.0-0) or replace the wheel: "
        "pip uninstall opencv-python && pip install opencv-python-headless"
    ) from error

# Frames are spread over processes and loader workers; OpenCV's own pool would only fight with torch's.
cv2.setNumThreads(1)

__all__ = ["cv2"]
