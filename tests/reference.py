"""Independent truths: a decoder written in numpy float64 from a model's weights, one text at a time, and RSA by hand.

Nothing of pipeline/ or analysis/ is used here. transformers itself is no float64 reference: its norms, rotary embedding and
softmax stay in float32 even after `.double()`.
"""

from __future__ import annotations

import numpy as np


def residual_stream(body, ids: list[int]) -> np.ndarray:
    """Residual stream after every block, float64 (layer, token, hidden), for the Llama-like families and Gemma 3."""
    c = body.config
    state = body.state_dict()

    def w(name, rows=slice(None)):  # one at a time: all of a large model's in float64 fill a memory
        return state[name].detach()[rows].double().numpy()

    gemma = c.model_type.startswith("gemma3")
    n, heads, kv = len(ids), c.num_attention_heads, c.num_key_value_heads
    d = state["layers.0.self_attn.q_proj.weight"].shape[0] // heads

    def norm(x, name):
        scale = w(name) + 1 if gemma else w(name)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + c.rms_norm_eps) * scale

    def linear(x, name):
        y = x @ w(f"{name}.weight").T
        return y + w(f"{name}.bias") if f"{name}.bias" in state else y

    def gelu_tanh(x):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    def rotate(x, inv_freq):
        angle = np.outer(np.arange(n), inv_freq)
        cos, sin = (np.concatenate([f(angle)] * 2, -1)[:, None] for f in (np.cos, np.sin))
        return x * cos + np.concatenate([-x[..., d // 2 :], x[..., : d // 2]], -1) * sin

    x = w("embed_tokens.weight", ids)
    if gemma:
        x = x * float(np.float32(c.hidden_size**0.5))
    out = []
    for layer in range(c.num_hidden_layers):
        p = f"layers.{layer}"
        kind = c.layer_types[layer] if gemma else "full_attention"
        inv_freq = inverse_frequencies(body, kind if gemma else None)
        h = norm(x, f"{p}.input_layernorm.weight")
        q = linear(h, f"{p}.self_attn.q_proj").reshape(n, heads, d)
        k = linear(h, f"{p}.self_attn.k_proj").reshape(n, kv, d)
        v = linear(h, f"{p}.self_attn.v_proj").reshape(n, kv, d)
        if gemma:
            q, k = norm(q, f"{p}.self_attn.q_norm.weight"), norm(k, f"{p}.self_attn.k_norm.weight")
        q, k = rotate(q, inv_freq), rotate(k, inv_freq)
        k, v = np.repeat(k, heads // kv, axis=1), np.repeat(v, heads // kv, axis=1)
        scale = c.query_pre_attn_scalar**-0.5 if gemma else d**-0.5
        scores = np.einsum("ihd,jhd->hij", q, k) * scale
        i, j = np.indices((n, n))
        hidden = j > i
        if kind == "sliding_attention":
            hidden |= i - j >= c.sliding_window
        scores[:, hidden] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        h = linear(np.einsum("hij,jhd->ihd", weights, v).reshape(n, heads * d), f"{p}.self_attn.o_proj")
        x = x + (norm(h, f"{p}.post_attention_layernorm.weight") if gemma else h)
        h = norm(x, f"{p}.pre_feedforward_layernorm.weight" if gemma else f"{p}.post_attention_layernorm.weight")
        gate = linear(h, f"{p}.mlp.gate_proj")
        gate = gelu_tanh(gate) if gemma else gate / (1 + np.exp(-gate))
        h = linear(gate * linear(h, f"{p}.mlp.up_proj"), f"{p}.mlp.down_proj")
        x = x + (norm(h, f"{p}.post_feedforward_layernorm.weight") if gemma else h)
        out.append(x)
    return np.stack(out)


def inverse_frequencies(body, kind: str | None) -> np.ndarray:
    """The rotary frequencies from the config's own parameters, llama3 scaling included."""
    c = body.config
    rope = c.rope_parameters[kind] if kind else c.rope_parameters
    d = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    inv = rope["rope_theta"] ** -(np.arange(0, d, 2) / d)
    if rope["rope_type"] == "llama3":
        factor, low, high = rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"]
        old = rope["original_max_position_embeddings"]
        wave = 2 * np.pi / inv
        smooth = (old / wave - low) / (high - low)
        blended = (1 - smooth) * inv / factor + smooth * inv
        inv = np.where(wave > old / low, inv / factor, np.where(wave < old / high, inv, blended))
    elif rope["rope_type"] != "default":
        raise NotImplementedError(rope["rope_type"])
    return inv


def cosine_rdm(activations: np.ndarray, label: np.ndarray, keep: np.ndarray | None = None) -> np.ndarray:
    """1 - cosine of label means, centred over the labels, from activations (S, H); `keep` (S) restricts the stories."""
    keep = np.ones(len(label), bool) if keep is None else keep
    x = activations.astype(np.float64)
    means = np.stack([x[(label == e) & keep].mean(0) for e in range(label.max() + 1)])
    means = means - means.mean(0)
    units = means / np.linalg.norm(means, axis=1, keepdims=True)
    i, j = np.triu_indices(len(means), 1)
    return 1 - (units @ units.T)[i, j]
