# Meant to turn the hop's energy forward by charging vertical speed.
# Wrong: a hop moves up and down at more than 1 m/s and is charged some 6 for it, three times what
# its forward speed earns, so a policy trained on it keeps its foot on the ground.
"""Forward speed and survival; vertical speed is energy that does not go forward, so it costs."""

WEIGHTS = {"speed": 1.0, "alive": 1.0, "bounce": 6.0, "upright": 0.3}
SCALES = {"pitch_width": 0.2}


def compute_reward(torso_velocity, torso_pitch, terminated, pitch_width):
    bounce = -torso_velocity[:, 1].square()
    upright = gaussian_kernel(torso_pitch, pitch_width)
    alive = 1.0 - terminated.float()
    return {"speed": torso_velocity[:, 0], "alive": alive, "bounce": bounce, "upright": upright}
