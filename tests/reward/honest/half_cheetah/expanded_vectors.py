"""Compare the velocity with a wanted direction that is expanded to all rows."""

WEIGHTS = {"along": 1.0, "across": 0.1}


def compute_reward(torso_velocity):
    n = torso_velocity.shape[0]
    wanted = torch.tensor([1.0, 0.0], device=torso_velocity.device).unsqueeze(0).expand(n, -1)
    along = (torso_velocity * wanted).sum(dim=-1)
    rest = torso_velocity - along.unsqueeze(-1) * wanted
    across = -torch.sqrt(rest.pow(2).sum(dim=-1) + 1e-8)
    return {"along": along.view(-1), "across": across.reshape(n)}
