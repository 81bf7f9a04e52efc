"""Where the camera stands: hand-eye calibration from views of a marker board. Knows no ROS.

python -m amt_perception.calibration board | record | solve
"""
