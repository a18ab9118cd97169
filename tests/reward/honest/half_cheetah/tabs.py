"""Run forward.

Indented with tabs.
"""

WEIGHTS = {"forward": 1.0, "upright": 0.2}


def compute_reward(torso_velocity, torso_pitch):
	forward = torso_velocity[:, 0]
	upright = 1.0 - torso_pitch.abs() / math.pi
	return {"forward": forward, "upright": upright}
