using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Reads a body of <c>/v1/completions</c>.</summary>
internal static class CompletionBody
{
    /// <summary>OpenAI's.</summary>
    private const int DefaultTokens = 16;

    /// <exception cref="RequestException">A field is at fault.</exception>
    public static OpenAiAsk Read(JsonElement body, EngineModel model, string? session)
    {
        OpenAiNames.Check(body, isChat: false);
        int? logProbs = Fields.Integer(body, "logprobs");
        int? most = Fields.Integer(body, "max_tokens");
        GenerateRequest shared = new()
        {
            Sampling = OpenAiSampling.Read(body),
            ReturnLogProb = logProbs is not null,
            TopLogProbsNum = OpenAiSampling.Top("logprobs", logProbs ?? 0),
        };
        int sampleCount = SamplingBody.SampleCount(body);
        List<GenerateBody> bodies = [];
        foreach (GenerateRequest prompt in Prompts(body, shared))
        {
            GenerateBody read = GenerateBatch.WithSession(
                GenerateBody.ReadNames(body, prompt, sampleCount), session);
            bodies.Add(read with
            {
                Request = OpenAiSampling.Bounded(model, read.Request, most, DefaultTokens),
            });
        }
        return new OpenAiAsk(
            bodies, Fields.String(body, "model") ?? model.Name, Fields.Boolean(body, "stream") ?? false,
            OpenAiSampling.SendsUsage(body), logProbs, new HashSet<string>());
    }

    /// <summary>Text, ids, or a list of either.</summary>
    private static IEnumerable<GenerateRequest> Prompts(JsonElement body, GenerateRequest shared)
    {
        const string Field = "prompt";
        if (!body.TryGetProperty(Field, out JsonElement prompt) || prompt.ValueKind == JsonValueKind.Null)
            throw new RequestException(Field, "text, ids, or a list of either is needed");
        if (prompt.ValueKind != JsonValueKind.Array)
            return [shared with { Text = Fields.Strings(body, Field)[0] }];
        int count = prompt.GetArrayLength();
        if (count is 0 || (count > GenerateBatch.MostPrompts && prompt[0].ValueKind != JsonValueKind.Number))
        {
            throw new RequestException(
                Field, $"a batch has 1 to {GenerateBatch.MostPrompts} prompts, not {count}");
        }
        return prompt[0].ValueKind switch
        {
            JsonValueKind.Number => [shared with { InputIds = Fields.ToIds(prompt, Field) }],
            JsonValueKind.Array => prompt.EnumerateArray()
                .Select(ids => shared with { InputIds = Fields.ToIds(ids, Field) }),
            _ => Fields.Strings(body, Field).Select(text => shared with { Text = text }),
        };
    }
}
