# Fault: changes of joint speed, meant to wake up lazy legs, are largest when the feet tremble at
# full torque, so that trembling on the spot earns many times what walking does.
"""Pay forward speed, and keep the legs lively so that the robot does not settle into standing."""

WEIGHTS = {"speed": 0.5, "lively": 0.2, "upright": 0.5}


def compute_reward(torso_velocity, joint_velocities, prev_joint_velocities, torso_pitch):
    speed = torso_velocity[:, 0]
    lively = (joint_velocities - prev_joint_velocities).abs().sum(-1)
    upright = gaussian_kernel(torso_pitch, 0.5)
    return {"speed": speed, "lively": lively, "upright": upright}
