using System.Text.Json;

namespace PdEngine.Host;

/// <summary>What stands around the choices of every answer and every event of one call.</summary>
/// <param name="kind"><c>chat.completion</c> or <c>text_completion</c>.</param>
/// <param name="id">Of the answer.</param>
/// <param name="model">As the client calls it.</param>
/// <param name="createdSeconds">Unix time.</param>
/// <param name="samples">What the choices are of.</param>
internal sealed class OpenAiFrame(
    string kind, string id, string model, long createdSeconds, IReadOnlyList<Sample> samples)
{
    /// <summary>The frame of a call; its id is the first sample's name, so that it can be aborted by
    /// it.</summary>
    public static OpenAiFrame Of(HttpCall call, OpenAiAsk ask, SampleSet samples, string kind) => new(
        kind, samples.All[0].RequestName, ask.ModelName, call.Server.Clock.GetUtcNow().ToUnixTimeSeconds(),
        samples.All);

    /// <summary>An answer with its choices.</summary>
    public void Write(Utf8JsonWriter json, IReadOnlyList<Generation> generations, Action writeChoices)
    {
        WriteHead(json, kind);
        json.WriteStartArray("choices");
        writeChoices();
        json.WriteEndArray();
        WriteUsage(json, generations);
        json.WriteEndObject();
    }

    /// <summary>An event with one choice.</summary>
    public void WriteEvent(Utf8JsonWriter json, bool sendsUsage, Action writeChoice)
    {
        WriteHead(json, EventKind);
        json.WriteStartArray("choices");
        writeChoice();
        json.WriteEndArray();
        if (sendsUsage)
            json.WriteNull("usage");
        json.WriteEndObject();
    }

    /// <summary>The event behind all choices that says what was used.</summary>
    public void WriteUsageEvent(Utf8JsonWriter json, IReadOnlyList<Generation> generations)
    {
        WriteHead(json, EventKind);
        json.WriteStartArray("choices");
        json.WriteEndArray();
        WriteUsage(json, generations);
        json.WriteEndObject();
    }

    public static string ReasonOf(Generation generation) => generation.FinishReason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        _ => "abort",
    };

    private string EventKind => kind == "chat.completion" ? "chat.completion.chunk" : kind;

    private void WriteHead(Utf8JsonWriter json, string objectKind)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", objectKind);
        json.WriteNumber("created", createdSeconds);
        json.WriteString("model", model);
    }

    /// <summary>Samples of one prompt share it.</summary>
    private void WriteUsage(Utf8JsonWriter json, IReadOnlyList<Generation> generations)
    {
        int prompt = 0, cached = 0, made = 0;
        for (int i = 0; i < generations.Count; i++)
        {
            Generation generation = generations[i];
            made += generation.OutputIds.Count;
            if (i > 0 && ReferenceEquals(samples[i].Body, samples[i - 1].Body))
                continue;
            prompt += generation.PromptIds.Length;
            cached += generation.CachedTokens;
        }
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", prompt);
        json.WriteNumber("completion_tokens", made);
        json.WriteNumber("total_tokens", prompt + made);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", cached);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
