# A ladder of soft steps from 0.25 to 4.5 m/s, each of which pays once the speed has climbed it.
"""Give a lesson for every stage: overlapping sigmoids in speed, from the first shuffle to a fast
hop, and a share for staying up."""

WEIGHTS = {"ladder": 0.6, "alive": 0.6, "smooth": 0.005}
SCALES = {"softness": 0.35}


def compute_reward(torso_velocity, terminated, action, prev_action, softness):
    speed = torso_velocity[:, 0]
    ladder = torch.zeros_like(speed)
    for rung in (0.25, 0.75, 1.25, 2.0, 2.75, 3.5, 4.5):
        ladder = ladder + torch.sigmoid((speed - rung) / softness)
    alive = 1.0 - terminated.float()
    smooth = -(action - prev_action).square().sum(-1)
    return {"ladder": ladder, "alive": alive, "smooth": smooth}
