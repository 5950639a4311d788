"""Which targets make up the published subsets of OTB, by their names in `datasets.otb`.

OTB-100 and OTB-50 are TB-100 and TB-50 of the TPAMI 2015 paper, OTB-2013 the 51 targets of the CVPR 2013 one.
Jogging and Skating2 count with both their targets.
"""

from __future__ import annotations

_NAMES = {
    "otb100": """
        Basketball Biker Bird1 Bird2 BlurBody BlurCar1 BlurCar2 BlurCar3 BlurCar4 BlurFace BlurOwl Board Bolt Bolt2 Box
        Boy Car1 Car2 Car24 Car4 CarDark CarScale ClifBar Coke Couple Coupon Crossing Crowds Dancer Dancer2 David David2
        David3 Deer Diving Dog Dog1 Doll DragonBaby Dudek FaceOcc1 FaceOcc2 Fish FleetFace Football Football1 Freeman1
        Freeman3 Freeman4 Girl Girl2 Gym Human2 Human3 Human4 Human5 Human6 Human7 Human8 Human9 Ironman Jogging.1
        Jogging.2 Jump Jumping KiteSurf Lemming Liquor Man Matrix Mhyang MotorRolling MountainBike Panda RedTeam Rubik
        Shaking Singer1 Singer2 Skater Skater2 Skating1 Skating2.1 Skating2.2 Skiing Soccer Subway Surfer Suv Sylvester
        Tiger1 Tiger2 Toy Trans Trellis Twinnings Vase Walking Walking2 Woman
    """,
    "otb50": """
        Basketball Biker Bird1 BlurBody BlurCar2 BlurFace BlurOwl Bolt Box Car1 Car4 CarDark CarScale ClifBar Couple
        Crowds David Deer Diving DragonBaby Dudek Football Freeman4 Girl Human3 Human4 Human6 Human9 Ironman Jump
        Jumping Liquor Matrix MotorRolling Panda RedTeam Shaking Singer2 Skating1 Skating2.1 Skating2.2 Skiing Soccer
        Surfer Sylvester Tiger2 Trellis Walking Walking2 Woman
    """,
    "otb2013": """
        Basketball Bolt Boy Car4 CarDark CarScale Coke Couple Crossing David David2 David3 Deer Dog1 Doll Dudek FaceOcc1
        FaceOcc2 Fish FleetFace Football Football1 Freeman1 Freeman3 Freeman4 Girl Ironman Jogging.1 Jogging.2 Jumping
        Lemming Liquor Matrix Mhyang MotorRolling MountainBike Shaking Singer1 Singer2 Skating1 Skiing Soccer Subway Suv
        Sylvester Tiger1 Tiger2 Trellis Walking Walking2 Woman
    """,
}

SUBSETS = {subset: tuple(names.split()) for subset, names in _NAMES.items()}
