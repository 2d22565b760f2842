using System.Globalization;

namespace PdEngine;

/// <summary>Translates tensor names between GGUF and Hugging Face.</summary>
internal static class GgufNames
{
    /// <summary>Llama 3.1's rope scaling, baked: frequencies are divided by it.</summary>
    public const string RopeFactors = "rope_freqs.weight";

    private const string GgufLayer = "blk.";
    private const string HfLayer = "model.layers.";

    private static readonly (string Gguf, string Hf)[] Whole =
    [
        ("token_embd.weight", ModelTensors.Embedding),
        ("output_norm.weight", "model.norm.weight"),
        ("output.weight", ModelTensors.Head),
    ];

    private static readonly (string Gguf, string Hf)[] InLayer =
    [
        ("attn_norm", "input_layernorm"),
        ("ffn_norm", "post_attention_layernorm"),
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("attn_q_norm", "self_attn.q_norm"),
        ("attn_k_norm", "self_attn.k_norm"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
    ];

    /// <summary>The Hugging Face name, or null where no dense model has a tensor of that name.</summary>
    public static string? ToHf(string gguf)
    {
        int index = Array.FindIndex(Whole, row => row.Gguf == gguf);
        if (index >= 0)
            return Whole[index].Hf;
        return SplitLayer(gguf, GgufLayer) is { } parts
            && Array.FindIndex(InLayer, row => row.Gguf == parts.Part) is >= 0 and int row
            ? $"{HfLayer}{parts.Layer}.{InLayer[row].Hf}.{parts.Kind}"
            : null;
    }

    /// <summary>The GGUF name, or null where it has none.</summary>
    public static string? ToGguf(string hf)
    {
        int index = Array.FindIndex(Whole, row => row.Hf == hf);
        if (index >= 0)
            return Whole[index].Gguf;
        return SplitLayer(hf, HfLayer) is { } parts
            && Array.FindIndex(InLayer, row => row.Hf == parts.Part) is >= 0 and int row
            ? $"{GgufLayer}{parts.Layer}.{InLayer[row].Gguf}.{parts.Kind}"
            : null;
    }

    /// <summary>
    /// Whether a llama-architecture GGUF stores the tensor's rows in interleaved rotary order.
    /// </summary>
    public static bool IsRotated(string hf) =>
        hf.Contains(".self_attn.q_proj.", StringComparison.Ordinal)
        || hf.Contains(".self_attn.k_proj.", StringComparison.Ordinal);

    private static (int Layer, string Part, string Kind)? SplitLayer(string name, string prefix)
    {
        if (!name.StartsWith(prefix, StringComparison.Ordinal))
            return null;
        int dot = name.IndexOf('.', prefix.Length);
        int lastDot = name.LastIndexOf('.');
        if (dot < 0 || lastDot <= dot)
            return null;
        string number = name[prefix.Length..dot];
        string kind = name[(lastDot + 1)..];
        return int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            && number == layer.ToString(CultureInfo.InvariantCulture) && kind is "weight" or "bias"
            ? (layer, name[(dot + 1)..lastDot], kind)
            : null;
    }
}
