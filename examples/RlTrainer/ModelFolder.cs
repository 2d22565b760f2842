using System.Text.Json;

namespace PdEngine.Examples;

/// <summary>Checkpoints in Hugging Face's format, and the state that a run resumes from.</summary>
internal static class ModelFolder
{
    /// <summary>What every checkpoint has.</summary>
    public const string ConfigFile = "config.json";
    private const string TokenizerFile = "tokenizer.json";
    private const string TokenizerConfigFile = "tokenizer_config.json";
    private const string StateFile = "trainer_state.safetensors";
    private const string ProgressFile = "trainer_state.json";

    /// <summary>config.json of pd-tiny.</summary>
    public static byte[] TinyConfig()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue("LlamaForCausalLM");
            json.WriteEndArray();
            json.WriteString("model_type", "llama");
            json.WriteNumber("vocab_size", Vocabulary.Count);
            json.WriteNumber("hidden_size", 128);
            json.WriteNumber("intermediate_size", 256);
            json.WriteNumber("num_hidden_layers", 3);
            json.WriteNumber("num_attention_heads", 4);
            json.WriteNumber("num_key_value_heads", 2);
            json.WriteNumber("head_dim", 32);
            json.WriteString("hidden_act", "silu");
            json.WriteNumber("rms_norm_eps", 1e-5);
            json.WriteNumber("rope_theta", 10000.0);
            json.WriteNumber("max_position_embeddings", 512);
            json.WriteBoolean("tie_word_embeddings", false);
            json.WriteBoolean("attention_bias", false);
            json.WriteBoolean("mlp_bias", false);
            json.WriteNumber("eos_token_id", Vocabulary.End);
            json.WriteString("torch_dtype", "bfloat16");
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <summary>config.json and the tokenizer's files of pd-tiny.</summary>
    public static void WriteTiny(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, ConfigFile), TinyConfig());
        using FileStream tokenizer = File.Create(Path.Combine(folder, TokenizerFile));
        Vocabulary.WriteTokenizer(tokenizer);
        using FileStream config = File.Create(Path.Combine(folder, TokenizerConfigFile));
        Vocabulary.WriteTokenizerConfig(config);
    }

    /// <summary>The same files of another folder.</summary>
    public static void CopyTiny(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string name in (string[])[ConfigFile, TokenizerFile, TokenizerConfigFile])
        {
            if (Path.GetFullPath(from) != Path.GetFullPath(to) && File.Exists(Path.Combine(from, name)))
                File.Copy(Path.Combine(from, name), Path.Combine(to, name), overwrite: true);
        }
    }

    /// <summary>Writes the master weights, rounded to bf16.</summary>
    public static void WriteWeights(string folder, Trainer trainer)
    {
        SafetensorsWriter writer = new();
        foreach (ParameterSlot slot in trainer.Layout.Slots)
            writer.Add(slot.Name, SafetensorsDtype.BF16, slot.Shape, Fill(trainer.Weights, slot.Offset));
        Replace(Path.Combine(folder, HfFolder.SingleFile), writer.Write);
    }

    /// <summary>Writes what a resume needs: float32 weights, both moments, and the steps taken.</summary>
    public static void WriteState(string folder, Trainer trainer, int step)
    {
        SafetensorsWriter writer = new();
        foreach ((string name, FloatVector values) in StateOf(trainer))
            writer.Add(name, SafetensorsDtype.F32, [values.Count], Fill(values, 0));
        Replace(Path.Combine(folder, StateFile), writer.Write);
        Replace(Path.Combine(folder, ProgressFile), stream =>
        {
            using Utf8JsonWriter json = new(stream);
            json.WriteStartObject();
            json.WriteNumber("step", step);
            json.WriteNumber("optimiser_step", trainer.Optimiser.StepCount);
            json.WriteEndObject();
        });
    }

    /// <summary>Takes up what <see cref="WriteState"/> wrote.</summary>
    /// <returns>The step to go on from.</returns>
    /// <exception cref="CheckpointException">It is not there, or malformed.</exception>
    public static int ReadState(string folder, Trainer trainer)
    {
        string path = Path.Combine(folder, StateFile);
        if (!File.Exists(path))
            throw new CheckpointException(path, "is not there: there is nothing to resume");
        // Before the trainer is touched: a state is taken up whole or not at all.
        (int step, int optimiserStep) = ReadSteps(Path.Combine(folder, ProgressFile));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach ((string name, FloatVector values) in StateOf(trainer))
        {
            if (!file.Tensors.TryGetValue(name, out SafetensorsTensor? tensor)
                || tensor.Shape is not [long count] || count != values.Count)
            {
                throw new CheckpointException(path, $"holds no '{name}' of {values.Count} elements");
            }
            file.Read(tensor, 0, values.Values);
        }
        trainer.Push();
        trainer.Optimiser.StepCount = optimiserStep;
        return step;
    }

    private static (int Step, int OptimiserStep) ReadSteps(string path)
    {
        if (!File.Exists(path))
            throw new CheckpointException(path, "is not there: there is nothing to resume");
        try
        {
            using JsonDocument progress = JsonDocument.Parse(File.ReadAllBytes(path));
            return (StepOf(progress, "step"), StepOf(progress, "optimiser_step"));
        }
        catch (JsonException malformed)
        {
            throw new CheckpointException(path, $"is no JSON: {malformed.Message}");
        }

        int StepOf(JsonDocument progress, string name) =>
            progress.RootElement.ValueKind == JsonValueKind.Object
                && progress.RootElement.TryGetProperty(name, out JsonElement value)
                && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int step) && step >= 0
                ? step
                : throw new CheckpointException(path, $"its '{name}' is missing or no count of steps");
    }

    private static (string Name, FloatVector Values)[] StateOf(Trainer trainer) =>
    [
        ("weights", trainer.Weights), ("first_moment", trainer.Optimiser.FirstMoment),
        ("second_moment", trainer.Optimiser.SecondMoment),
    ];

    private static TensorFill Fill(FloatVector from, int offset) =>
        (first, values) => from.Values.Slice(offset + (int)first, values.Length).CopyTo(values);

    /// <summary>Writes a file beside and puts it in place: a run that is killed leaves the last whole
    /// one.</summary>
    public static void Replace(string path, Action<Stream> write)
    {
        string fresh = path + ".new";
        using (FileStream stream = File.Create(fresh))
            write(stream);
        File.Move(fresh, path, overwrite: true);
    }
}
