using System.CommandLine;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary><c>pdengine model info</c>: what a checkpoint is; no weights are loaded.</summary>
internal sealed class ModelShowVerb
{
    private readonly Argument<string> _path = new("PATH")
    {
        Description = $"A Hugging Face folder or a GGUF file; absent: {DefaultModel.Name}.",
        Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => DefaultModel.Name,
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Prints it as JSON.",
    };

    public static Command Create()
    {
        ModelShowVerb verb = new();
        Verb command = new("info", "Says what a checkpoint is, and what of it is served.")
        {
            Details = "It shows family, sizes, tensors, tokenizer, chat template and memory; no weights are "
                + "loaded. Exit code 0 where the engine can run it, 1 where "
                + "it cannot, 2 where it cannot be read.",
            Examples = ["pdengine model info Qwen3-0.6B/", "pdengine model info SmolLM2.Q4_1.gguf --json"],
        };
        command.Arguments.Add(verb._path);
        command.Options.Add(verb._json);
        command.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed))));
        return command;
    }

    private int Run(ParseResult parsed)
    {
        ModelFacts facts = ModelFacts.Read(parsed.GetValue(_path)!);
        if (parsed.GetValue(_json))
            AnswerWriter.Print(json => WriteJson(json, facts));
        else
            Print(Console.Out, facts);
        return facts.Config is null ? CommandLine.Failed : CommandLine.Done;
    }

    private static void Print(TextWriter output, ModelFacts facts)
    {
        void Line(string name, string text) => output.WriteLine($"{name,-14} {text}");
        Line("model", facts.Path);
        Line("format", facts.IsGguf ? "GGUF" : "safetensors");
        if (facts.Config is { } config)
        {
            Line("family", $"{config.Family}{(config.IsReward ? ", reward model" : "")}");
            Line("sizes", $"{config.LayerCount} layers, hidden {config.HiddenSize}, intermediate "
                + $"{config.IntermediateSize}, {config.HeadCount} heads over {config.KvHeadCount} key-value "
                + $"heads of {config.HeadDim}");
            string tied = config.TieWordEmbeddings ? ", head tied" : "";
            Line("vocabulary", $"{config.VocabularySize} rows{tied}");
            int windows = config.SlidingWindows.Count(window => window != 0);
            Line("context", $"{config.MaxPositions} tokens"
                + (windows == 0 ? "" : $"; {windows} layers see {config.SlidingWindows.Max()} of them"));
            Line("ends", config.EosTokenIds.Count == 0 ? "no id" : string.Join(", ", config.EosTokenIds));
        }
        Line("parameters", facts.Parameters < 10_000_000
            ? $"{facts.Parameters}" : $"{facts.Parameters / 1e6:F0} M");
        Line("stored", $"{Shown.Bytes(facts.Bytes)} in {facts.Tensors.Count} tensors");
        foreach ((string name, int count, long bytes) in facts.Dtypes)
            Line("", $"{name}: {count} tensors, {Shown.Bytes(bytes)}");
        foreach ((string name, int count, long bytes) in facts.Groups)
            Line("", $"{name}: {count} tensors, {Shown.Bytes(bytes)}");
        if (facts.KvBytesPerToken is { } kv)
            Line("KV", $"{kv} bytes a token in bf16, {Shown.Bytes((double)kv * 1000)} a thousand");
        if (facts.Text is { HasTokenizer: true } text)
        {
            Line("tokenizer", $"{text.Tokens} tokens; starts with {text.Bos ?? "nothing"}, ends with "
                + $"{text.Eos ?? "nothing"}");
            Line("chat template", text.HasTemplate ? "yes" : "no");
        }
        foreach ((bool isServed, string what) in facts.Service())
            Line(isServed ? "served" : "not served", what);
    }

    private static void WriteJson(Utf8JsonWriter json, ModelFacts facts)
    {
        json.WriteStartObject();
        json.WriteString("path", facts.Path);
        json.WriteString("format", facts.IsGguf ? "gguf" : "safetensors");
        json.WriteBoolean("can_run", facts.Config is not null);
        if (facts.Config is { } config)
            WriteConfig(json, config);
        json.WriteNumber("parameters", facts.Parameters);
        json.WriteNumber("bytes", facts.Bytes);
        json.WriteNumber("tensors", facts.Tensors.Count);
        WriteRows(json, "dtypes", facts.Dtypes);
        WriteRows(json, "groups", facts.Groups);
        if (facts.KvBytesPerToken is { } kv)
            json.WriteNumber("kv_bytes_per_token", kv);
        if (facts.Text is { } text)
        {
            json.WriteStartObject("tokenizer");
            json.WriteBoolean("is_there", text.HasTokenizer);
            json.WriteNumber("tokens", text.Tokens);
            json.WriteString("bos", text.Bos);
            json.WriteString("eos", text.Eos);
            json.WriteBoolean("has_chat_template", text.HasTemplate);
            json.WriteEndObject();
        }
        json.WriteStartArray("service");
        foreach ((bool isServed, string what) in facts.Service())
        {
            json.WriteStartObject();
            json.WriteBoolean("served", isServed);
            json.WriteString("what", what);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteConfig(Utf8JsonWriter json, ModelConfig config)
    {
        json.WriteString("family", $"{config.Family}".ToLowerInvariant());
        json.WriteBoolean("is_reward", config.IsReward);
        json.WriteNumber("layers", config.LayerCount);
        json.WriteNumber("hidden_size", config.HiddenSize);
        json.WriteNumber("intermediate_size", config.IntermediateSize);
        json.WriteNumber("heads", config.HeadCount);
        json.WriteNumber("kv_heads", config.KvHeadCount);
        json.WriteNumber("head_dim", config.HeadDim);
        json.WriteNumber("vocabulary", config.VocabularySize);
        json.WriteNumber("context", config.MaxPositions);
        json.WriteBoolean("head_tied", config.TieWordEmbeddings);
        json.WriteStartArray("eos_token_ids");
        foreach (int id in config.EosTokenIds)
            json.WriteNumberValue(id);
        json.WriteEndArray();
    }

    private static void WriteRows(
        Utf8JsonWriter json, string field, IEnumerable<(string Name, int Count, long Bytes)> rows)
    {
        json.WriteStartArray(field);
        foreach ((string name, int count, long bytes) in rows)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteNumber("tensors", count);
            json.WriteNumber("bytes", bytes);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
