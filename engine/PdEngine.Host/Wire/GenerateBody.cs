using System.Text.Json;

namespace PdEngine.Host;

/// <summary>A request in the shape of SGLang's <c>/generate</c> body, read from JSON.</summary>
/// <param name="Id">The line's own <c>id</c>, whatever it is; undefined where absent.</param>
/// <param name="RequestName"><c>rid</c>, or null.</param>
/// <param name="Request">What to generate; its seed is the body's, where it has one.</param>
/// <param name="SampleCount"><c>n</c>: samples of the same prompt.</param>
/// <param name="ReturnText">Log-prob entries carry their token's text.</param>
internal sealed record GenerateBody(
    JsonElement Id, string? RequestName, GenerateRequest Request, int SampleCount, bool ReturnText)
{
    public const int MaxSamples = 128;

    private const int MaxKeyLetters = 1024;

    /// <summary>Reads a body; <see cref="RequestException"/> names the field at fault.</summary>
    public static GenerateBody Read(JsonElement body)
    {
        if (body.ValueKind != JsonValueKind.Object)
            throw new RequestException("body", $"a JSON object is needed, not {Fields.KindName(body)}");
        DuplicateNames.Refuse(body);
        foreach (JsonProperty property in body.EnumerateObject())
            BodyFields.Check(Fields.NameOf(property), property.Value);
        (SamplingParams sampling, int sampleCount) =
            body.TryGetProperty("sampling_params", out JsonElement parameters)
            && parameters.ValueKind != JsonValueKind.Null
                ? SamplingBody.Read(parameters)
                : (new SamplingParams(), 1);
        int[]? ids = Fields.Ids(body, "input_ids");
        GenerateRequest request = new()
        {
            Text = Fields.String(body, "text"),
            InputIds = ids is null ? default(ReadOnlyMemory<int>?) : ids,
            Messages = Fields.Element(body, "messages", JsonValueKind.Array),
            Tools = Fields.Element(body, "tools", JsonValueKind.Array),
            ChatTemplateArguments = Fields.Element(body, "chat_template_kwargs", JsonValueKind.Object),
            ParseAddedTokens = Fields.Boolean(body, "parse_added_tokens") ?? true,
            Sampling = sampling,
            ReturnLogProb = Fields.Boolean(body, "return_logprob") ?? false,
            LogProbStartLen = Fields.Integer(body, "logprob_start_len") ?? -1,
            TopLogProbsNum = Fields.Integer(body, "top_logprobs_num") ?? 0,
        };
        return ReadNames(body, request, sampleCount);
    }

    /// <summary>The fields of a body that say whose it is, beside what is asked.</summary>
    public static GenerateBody ReadNames(JsonElement body, GenerateRequest request, int sampleCount) => new(
        IdOf(body),
        Fields.String(body, "rid"),
        request with
        {
            Priority = Fields.Integer(body, "priority") ?? 0,
            RoutingKey = Key(body, "routing_key"),
            SessionId = Key(body, "session_id"),
            MinWeightVersion = Version(body, "min_weight_version"),
            ExactWeightVersion = Version(body, "exact_weight_version"),
        },
        sampleCount,
        Fields.Boolean(body, "return_text_in_logprobs") ?? false);

    /// <summary>A copy of a body's own <c>id</c>; undefined where there is none or where it is no
    /// object.</summary>
    public static JsonElement IdOf(JsonElement body)
    {
        JsonElement id = default;
        if (body.ValueKind != JsonValueKind.Object)
            return id;
        foreach (JsonProperty property in body.EnumerateObject())
        {
            if (Fields.HasName(property, "id"))
                id = property.Value.Clone();
        }
        return id;
    }

    /// <summary>Versions are names, and trainers count them.</summary>
    private static string? Version(JsonElement body, string name) =>
        body.TryGetProperty(name, out JsonElement version) && version.ValueKind == JsonValueKind.Number
            ? version.GetRawText()
            : Key(body, name);

    private static string? Key(JsonElement body, string name)
    {
        string? key = Fields.String(body, name);
        return key is null or { Length: >= 1 and <= MaxKeyLetters } ? key : throw new RequestException(
            name, $"it has 1 to {MaxKeyLetters} letters, not {key.Length}; null is none");
    }
}
