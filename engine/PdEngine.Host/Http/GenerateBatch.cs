using System.Buffers;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// A <c>/generate</c> body of one prompt or of many. That of many is taken apart into bodies of one: a field
/// that has a list where one prompt has a value gives each prompt its own.
/// </summary>
internal static class GenerateBatch
{
    public const int MostPrompts = 4096;

    /// <summary>Their value for one prompt is no list.</summary>
    private static readonly string[] PerPrompt =
    [
        "rid", "sampling_params", "return_logprob", "logprob_start_len", "top_logprobs_num", "priority",
        "session_id", "routing_key", "min_weight_version", "exact_weight_version", "bootstrap_host",
        "bootstrap_port", "bootstrap_room", "lora_path", "return_hidden_states", "custom_logit_processor",
        "return_routed_experts", "extra_key",
    ];

    /// <summary>The bodies, and whether the answer is a list.</summary>
    /// <param name="body">An object.</param>
    /// <param name="session">Of requests that name none, or null.</param>
    /// <exception cref="RequestException">A field is at fault.</exception>
    public static (IReadOnlyList<GenerateBody> Bodies, bool IsList) Read(JsonElement body, string? session)
    {
        if (PromptsField(body) is not { } field)
        {
            GenerateBody one = WithSession(GenerateBody.Read(body), session);
            return ([one], one.SampleCount > 1);
        }
        int count = body.GetProperty(field).GetArrayLength();
        if (count > MostPrompts)
        {
            throw new RequestException(
                field, $"a batch has at most {MostPrompts} prompts, not {count}");
        }
        List<GenerateBody> bodies = [];
        for (int i = 0; i < count; i++)
            bodies.Add(WithSession(ReadPart(body, field, i, count), session));
        return (bodies, true);
    }

    /// <summary>Where the list of prompts is; null where there is one prompt.</summary>
    private static string? PromptsField(JsonElement body)
    {
        if (body.TryGetProperty("text", out JsonElement texts) && texts.ValueKind == JsonValueKind.Array)
        {
            return texts.GetArrayLength() > 0
                ? "text"
                : throw new RequestException("text", "the list is empty; at least one prompt is needed");
        }
        return body.TryGetProperty("input_ids", out JsonElement ids) && ids.ValueKind == JsonValueKind.Array
            && ids.GetArrayLength() > 0 && ids[0].ValueKind == JsonValueKind.Array
                ? "input_ids"
                : null;
    }

    private static GenerateBody ReadPart(JsonElement body, string field, int index, int count)
    {
        ArrayBufferWriter<byte> part = new(256);
        using (Utf8JsonWriter json = new(part, new JsonWriterOptions { SkipValidation = true }))
        {
            json.WriteStartObject();
            foreach (JsonProperty property in body.EnumerateObject())
            {
                string name = Fields.NameOf(property);
                JsonElement value = property.Value;
                if (value.ValueKind == JsonValueKind.Array && (name == field || PerPrompt.Contains(name)))
                    value = Own(name, value, index, count);
                json.WritePropertyName(name);
                json.WriteRawValue(value.GetRawText(), skipInputValidation: true);
            }
            json.WriteEndObject();
        }
        using JsonDocument document = JsonDocument.Parse(part.WrittenMemory);
        GenerateBody read = GenerateBody.Read(document.RootElement);
        return read.RequestName is { } shared && !HasOwnName(body)
            ? read with { RequestName = $"{shared}-{index}" }
            : read;
    }

    private static bool HasOwnName(JsonElement body) =>
        body.TryGetProperty("rid", out JsonElement rid) && rid.ValueKind == JsonValueKind.Array;

    private static JsonElement Own(string name, JsonElement values, int index, int count) =>
        values.GetArrayLength() == count
            ? values[index]
            : throw new RequestException(
                name, $"the list has {values.GetArrayLength()} entries for {count} prompts");

    public static GenerateBody WithSession(GenerateBody body, string? session) =>
        session is null || body.Request.SessionId is not null
            ? body
            : body with
            {
                Request = body.Request with
                {
                    SessionId = session, RoutingKey = body.Request.RoutingKey ?? session,
                },
            };
}
