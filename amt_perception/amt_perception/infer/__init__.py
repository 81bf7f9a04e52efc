"""Pictures and files of results from images, without ROS: `python -m amt_perception.infer`."""
