using System.Text;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>Small models written on the spot, small enough to be spoilt in every way.</summary>
internal static class TinyModel
{
    /// <summary>
    /// A config.json of a model of some 2,000 weights, with keys replaced or, where null, removed.
    /// </summary>
    public static string Config(string family = "llama", params (string Key, string? Json)[] changes)
    {
        string name = $"{char.ToUpperInvariant(family[0])}{family[1..]}";
        JsonObject config = new()
        {
            ["model_type"] = family, ["architectures"] = new JsonArray($"{name}ForCausalLM"),
            ["vocab_size"] = 20, ["hidden_size"] = 16, ["intermediate_size"] = 24, ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 4, ["num_key_value_heads"] = 2, ["head_dim"] = 4,
            ["rms_norm_eps"] = 1e-5, ["max_position_embeddings"] = 64, ["rope_theta"] = 10_000.0,
            ["eos_token_id"] = 2, ["hidden_act"] = "silu", ["sliding_window"] = null,
        };
        foreach ((string key, string? json) in changes)
        {
            if (json is null)
                config.Remove(key);
            else
                config[key] = JsonNode.Parse(json);
        }
        return config.ToJsonString();
    }

    public static ModelConfig Parse(string family, params (string Key, string? Json)[] changes) =>
        HfConfig.Parse("config.json", Encoding.UTF8.GetBytes(Config(family, changes)));

    /// <summary>Writes a folder of random weights for a config.</summary>
    public static string Folder(string path, string config)
    {
        RandomCheckpoint.Write(path, config, seed: 7);
        return path;
    }

    /// <summary>
    /// The tensors of a config with their shapes, in a list that a test may change before writing it.
    /// </summary>
    public static List<(string Name, SafetensorsDtype Dtype, long[] Shape)> Tensors(string config) =>
        ModelTensors.Of(HfConfig.Parse("config.json", Encoding.UTF8.GetBytes(config)))
            .Select(tensor => (tensor.Name, SafetensorsDtype.BF16, tensor.Shape)).ToList();

    /// <summary>Writes tensors whose element i is i / 64.</summary>
    public static void Write(
        string path, IEnumerable<(string Name, SafetensorsDtype Dtype, long[] Shape)> tensors)
    {
        SafetensorsWriter writer = new();
        foreach ((string name, SafetensorsDtype dtype, long[] shape) in tensors)
            writer.Add(name, dtype, shape, Count);
        writer.Write(path);
    }

    public static void Count(long firstElement, Span<float> values)
    {
        for (int index = 0; index < values.Length; index++)
            values[index] = (firstElement + index) / 64f;
    }

    public static float[] ReadAll(ICheckpoint checkpoint, string name)
    {
        float[] values = new float[TensorShape.Count(checkpoint.ShapeOf(name)!)];
        checkpoint.Read(name, 0, values);
        return values;
    }

    /// <summary>Asserts that opening is refused with a message that holds every part.</summary>
    public static void AssertRefused(Action open, params string[] parts)
    {
        CheckpointException? refusal = Assert.Throws<CheckpointException>(open);
        foreach (string part in parts)
            Assert.That(refusal!.Message, Does.Contain(part));
    }
}
