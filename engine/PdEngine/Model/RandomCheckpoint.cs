using System.Text.Json;

namespace PdEngine;

/// <summary>
/// Writes Hugging Face folders of random bf16 weights at real shapes, for first runs, benches and tests.
/// Speed, memory traffic and layout are those of the real model; what it says is noise.
/// </summary>
internal static class RandomCheckpoint
{
    // Below this a bf16 product could reach the denormals, which real weights do not.
    private const float SmallestMagnitude = 1f / (1 << 20);

    /// <summary>Names that <see cref="ConfigOf"/> knows.</summary>
    public static IReadOnlyList<string> Shapes { get; } = ["tiny", "smollm2-135m", "qwen3-0.6b"];

    /// <summary>config.json of a named shape.</summary>
    /// <exception cref="OptionsException">There is no such shape.</exception>
    public static string ConfigOf(string shape) => shape switch
    {
        "tiny" => Json("qwen3", "Qwen3ForCausalLM", 320, 64, 128, 2, 4, 2, 32, 1e6, 1e-6, 2048, 1),
        "smollm2-135m" =>
            Json("llama", "LlamaForCausalLM", 49_152, 576, 1536, 30, 9, 3, 64, 1e5, 1e-5, 8192, 2),
        "qwen3-0.6b" =>
            Json("qwen3", "Qwen3ForCausalLM", 151_936, 1024, 3072, 28, 16, 8, 128, 1e6, 1e-6, 40_960,
                151_645),
        _ => throw new OptionsException(
            shape, $"there is no random checkpoint of this shape; shapes are {string.Join(", ", Shapes)}"),
    };

    /// <summary>Writes config.json and model.safetensors.</summary>
    /// <param name="folder">Made where it does not exist.</param>
    /// <param name="configJson">
    /// Any config.json that the engine opens; <see cref="ConfigOf"/> has some.
    /// </param>
    /// <param name="seed">The weights are a function of it and of each tensor's name.</param>
    public static void Write(string folder, string configJson, ulong seed)
    {
        Directory.CreateDirectory(folder);
        string configPath = Path.Combine(folder, "config.json");
        File.WriteAllText(configPath, configJson);
        ModelConfig config = HfConfig.Parse(configPath, File.ReadAllBytes(configPath));
        SafetensorsWriter writer = new();
        foreach (TensorShape tensor in ModelTensors.Of(config))
            writer.Add(tensor.Name, SafetensorsDtype.BF16, tensor.Shape, FillOf(tensor, seed));
        writer.Write(Path.Combine(folder, HfFolder.SingleFile));
    }

    /// <summary>
    /// Matrices keep the size of what passes through them; norms lie around 1, biases around 0.
    /// </summary>
    private static TensorFill FillOf(TensorShape tensor, ulong seed)
    {
        bool isNorm = tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal);
        float centre = isNorm ? 1 : 0;
        float deviation = tensor switch
        {
            { Name: ModelTensors.Embedding } => 0.05f,
            { Shape: [_, long width] } => 0.5f / MathF.Sqrt(width),
            _ => 0.05f,
        };
        ulong stream = Mix(seed ^ NameHash(tensor.Name));
        return (first, values) =>
        {
            for (int index = 0; index < values.Length; index++)
            {
                float value = centre + deviation * Normal(Mix(stream + (ulong)(first + index)));
                values[index] = MathF.Abs(value) >= SmallestMagnitude ? value : SmallestMagnitude;
            }
        };
    }

    /// <summary>Close to a standard normal: the sum of four 16-bit uniforms, centred and scaled.</summary>
    private static float Normal(ulong bits)
    {
        int sum = (int)(bits & 0xFFFF) + (int)((bits >> 16) & 0xFFFF) + (int)((bits >> 32) & 0xFFFF)
            + (int)(bits >> 48);
        return (sum - 2 * 65_535) * (1.7320508f / 65_536);
    }

    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private static ulong NameHash(string name)
    {
        ulong hash = 14_695_981_039_346_656_037;
        foreach (char letter in name)
            hash = (hash ^ letter) * 1_099_511_628_211;
        return hash;
    }

    private static string Json(
        string type, string architecture, int vocabulary, int hidden, int inner, int layers, int heads,
        int kvHeads, int headDim, double theta, double epsilon, int positions, int stopId)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue(architecture);
            json.WriteEndArray();
            json.WriteString("model_type", type);
            json.WriteNumber("vocab_size", vocabulary);
            json.WriteNumber("hidden_size", hidden);
            json.WriteNumber("intermediate_size", inner);
            json.WriteNumber("num_hidden_layers", layers);
            json.WriteNumber("num_attention_heads", heads);
            json.WriteNumber("num_key_value_heads", kvHeads);
            json.WriteNumber("head_dim", headDim);
            json.WriteNumber("rope_theta", theta);
            json.WriteNumber("rms_norm_eps", epsilon);
            json.WriteNumber("max_position_embeddings", positions);
            json.WriteNumber("eos_token_id", stopId);
            json.WriteString("hidden_act", "silu");
            json.WriteBoolean("tie_word_embeddings", true);
            json.WriteString("torch_dtype", "bfloat16");
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }
}
