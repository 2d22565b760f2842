using System.Text;

namespace PdEngine.Bench;

/// <summary>The shape of a real model, whose weights are random here.</summary>
/// <param name="Name">As rows call it.</param>
/// <param name="Type">Its family, as config.json spells it.</param>
/// <param name="Hidden">Columns of the residual.</param>
/// <param name="Inner">Columns of the gated product.</param>
/// <param name="Layers">Layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key and value heads.</param>
/// <param name="HeadDim">Elements of each.</param>
/// <param name="Vocabulary">Tokens.</param>
/// <param name="TiesTables">The head is the embedding.</param>
internal sealed record CheckModel(
    string Name, string Type, int Hidden, int Inner, int Layers, int Heads, int KvHeads, int HeadDim,
    int Vocabulary, bool TiesTables)
{
    public static CheckModel Tiny { get; } = new("tiny", "qwen3", 64, 128, 2, 4, 2, 32, 320, true);

    public static CheckModel Qwen06B { get; } =
        new("qwen3-0.6b", "qwen3", 1024, 3072, 28, 16, 8, 128, 151_936, true);

    public static CheckModel Llama1B { get; } =
        new("llama-1b", "llama", 2048, 8192, 16, 32, 8, 64, 128_256, true);

    public static CheckModel Qwen17B { get; } =
        new("qwen3-1.7b", "qwen3", 2048, 6144, 28, 16, 8, 128, 151_936, true);

    public static CheckModel Qwen4B { get; } =
        new("qwen3-4b", "qwen3", 2560, 9728, 36, 32, 8, 128, 151_936, true);

    public static CheckModel Llama8B { get; } =
        new("llama-8b", "llama", 4096, 14_336, 32, 32, 8, 128, 128_256, false);

    public static CheckModel Qwen8B { get; } =
        new("qwen3-8b", "qwen3", 4096, 12_288, 36, 32, 8, 128, 151_936, false);

    public int QkvRows => (Heads + (2 * KvHeads)) * HeadDim;

    /// <summary>Its config.json.</summary>
    public byte[] ConfigJson() => Encoding.UTF8.GetBytes($$"""
        {
          "architectures": ["{{(Type == "llama" ? "LlamaForCausalLM" : "Qwen3ForCausalLM")}}"],
          "model_type": "{{Type}}", "vocab_size": {{Vocabulary}}, "hidden_size": {{Hidden}},
          "intermediate_size": {{Inner}}, "num_hidden_layers": {{Layers}}, "num_attention_heads": {{Heads}},
          "num_key_value_heads": {{KvHeads}}, "head_dim": {{HeadDim}}, "rope_theta": 500000,
          "rms_norm_eps": 1e-05, "max_position_embeddings": 40960, "eos_token_id": 2, "hidden_act": "silu",
          "tie_word_embeddings": {{(TiesTables ? "true" : "false")}}, "torch_dtype": "bfloat16"
        }
        """);

    /// <summary>Products of a layer and the head: name, columns, outputs, segments.</summary>
    public IEnumerable<(string Name, int Columns, int Outputs, int Segments)> Products()
    {
        yield return ("qkv", Hidden, QkvRows, 1);
        yield return ("o", Heads * HeadDim, Hidden, 4);
        yield return ("gate+up", Hidden, 2 * Inner, 1);
        yield return ("down", Inner, Hidden, 4);
        yield return ("head", Hidden, Vocabulary, 1);
    }
}
