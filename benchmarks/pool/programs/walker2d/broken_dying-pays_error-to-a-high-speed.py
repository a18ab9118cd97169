# Fault: every component is a cost, and the squared error to 8 m/s is so large at speeds within
# reach that ending the episode early by a dive is the cheapest way out.
"""Drive the speed to a high target with a squared error, and charge a tipped torso and effort."""

WEIGHTS = {"speed_error": 0.1, "tipping": 0.5, "effort": 0.005}
SCALES = {"target_speed": 8.0}


def compute_reward(torso_velocity, torso_pitch, action, target_speed):
    speed_error = -(target_speed - torso_velocity[:, 0]).square()
    tipping = -torso_pitch.square()
    effort = -action.square().sum(-1)
    return {"speed_error": speed_error, "tipping": tipping, "effort": effort}
