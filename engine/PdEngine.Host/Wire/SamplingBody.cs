using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Reads <c>sampling_params</c>. An unknown key is an error: it could change the answer.</summary>
internal static class SamplingBody
{
    private static readonly string[] Known =
    [
        "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "frequency_penalty",
        "presence_penalty",
        "max_new_tokens", "min_new_tokens", "stop", "stop_token_ids", "ignore_eos", "skip_special_tokens",
        "spaces_between_special_tokens", "no_stop_trim", "n", "sampling_seed", "logit_bias", "top_p_mode",
        "logprob_mode",
    ];

    private static readonly string[] Unsupported =
    [
        "json_schema", "regex", "ebnf", "structural_tag", "stop_regex", "custom_params", "beam_width",
        "stream_interval",
    ];

    /// <summary>Whether a name is that of a parameter.</summary>
    public static bool Knows(string name) => Known.Contains(name);

    public static (SamplingParams Sampling, int SampleCount) Read(JsonElement body)
    {
        if (body.ValueKind != JsonValueKind.Object)
        {
            throw new RequestException("sampling_params",
                $"an object is needed, not {Fields.KindName(body)}; send a batch as one request each");
        }
        foreach (JsonProperty property in body.EnumerateObject())
            CheckName(Fields.NameOf(property), property.Value);
        int sampleCount = SampleCount(body);
        SamplingParams sampling = Common(body, "min_new_tokens", "sampling_seed");
        return (sampling with
        {
            MaxNewTokens = Fields.Integer(body, "max_new_tokens") ?? sampling.MaxNewTokens,
            TopPMode =
                Choice(body, "top_p_mode", ("joint", TopPMode.Joint), ("sequential", TopPMode.Sequential)),
            LogProbMode = Choice(body, "logprob_mode", ("tempered", LogProbMode.Tempered),
                ("raw", LogProbMode.Raw), ("processed", LogProbMode.Processed)),
        }, sampleCount);
    }

    /// <summary>What SGLang's and OpenAI's bodies have in common; two fields have other names.</summary>
    public static SamplingParams Common(JsonElement body, string minNewTokens, string seed)
    {
        SamplingParams absent = new();
        return new SamplingParams
        {
            Temperature = Fields.Number(body, "temperature") ?? absent.Temperature,
            TopP = Fields.Number(body, "top_p") ?? absent.TopP,
            TopK = Fields.Integer(body, "top_k") ?? absent.TopK,
            MinP = Fields.Number(body, "min_p") ?? absent.MinP,
            RepetitionPenalty = Fields.Number(body, "repetition_penalty") ?? absent.RepetitionPenalty,
            FrequencyPenalty = Fields.Number(body, "frequency_penalty") ?? absent.FrequencyPenalty,
            PresencePenalty = Fields.Number(body, "presence_penalty") ?? absent.PresencePenalty,
            MinNewTokens = Fields.Integer(body, minNewTokens) ?? absent.MinNewTokens,
            Stop = Fields.Strings(body, "stop"),
            StopTokenIds = Fields.Ids(body, "stop_token_ids") ?? [],
            IgnoreEos = Fields.Boolean(body, "ignore_eos") ?? absent.IgnoreEos,
            SkipSpecialTokens = Fields.Boolean(body, "skip_special_tokens") ?? absent.SkipSpecialTokens,
            NoStopTrim = Fields.Boolean(body, "no_stop_trim") ?? absent.NoStopTrim,
            SamplingSeed = Seed(body, seed),
            LogitBias = LogitBias(body),
        };
    }

    /// <exception cref="RequestException">It is not from 1 to the cap.</exception>
    public static int SampleCount(JsonElement body)
    {
        int count = Fields.Integer(body, "n") ?? 1;
        return count is >= 1 and <= GenerateBody.MaxSamples ? count
            : throw new RequestException("n", $"{count} is not in 1 to {GenerateBody.MaxSamples}");
    }

    private static void CheckName(string name, JsonElement value)
    {
        if (Array.IndexOf(Known, name) >= 0 || value.ValueKind == JsonValueKind.Null)
            return;
        if (Array.IndexOf(Unsupported, name) >= 0)
            throw new RequestException($"sampling_params.{name}", "it is not served here; leave it out");
        string hint = NearestName.Of(name, Known, within: 3) is { } near ? $"; did you mean '{near}'?" : "";
        throw new RequestException(
            $"sampling_params.{Fields.Short(name)}", $"there is no such parameter{hint}");
    }

    private static ulong? Seed(JsonElement body, string name)
    {
        if (!body.TryGetProperty(name, out JsonElement seed)
            || seed.ValueKind == JsonValueKind.Null)
            return null;
        if (seed.ValueKind == JsonValueKind.Number && seed.TryGetInt64(out long signed))
            return unchecked((ulong)signed);
        if (seed.ValueKind == JsonValueKind.Number && seed.TryGetUInt64(out ulong value))
            return value;
        throw new RequestException(name, "an integer of 64 bits is needed");
    }

    private static Dictionary<int, float> LogitBias(JsonElement body)
    {
        Dictionary<int, float> bias = [];
        if (Fields.Element(body, "logit_bias", JsonValueKind.Object) is not { } given)
            return bias;
        foreach (JsonProperty entry in given.EnumerateObject())
        {
            string name = Fields.NameOf(entry);
            if (!int.TryParse(name, out int token))
                throw new RequestException("logit_bias", $"'{Fields.Short(name)}' is not a token id");
            if (entry.Value.ValueKind != JsonValueKind.Number)
                throw new RequestException("logit_bias", $"the bias of token {token} must be a number");
            bias[token] = Fields.ToFloat(entry.Value, "logit_bias");
        }
        return bias;
    }

    private static T Choice<T>(
        JsonElement body, string name, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        if (Fields.String(body, name) is not { } given)
            return choices[0].Value;
        List<string> names = [];
        foreach ((string choice, T value) in choices)
        {
            if (choice == given)
                return value;
            names.Add(choice);
        }
        throw new RequestException(name, $"'{Fields.Short(given)}' is none of {string.Join(", ", names)}");
    }
}
