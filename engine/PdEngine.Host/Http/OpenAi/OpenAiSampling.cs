using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Reads what OpenAI's two bodies have in common.</summary>
internal static class OpenAiSampling
{
    public const int MostTopLogProbs = 20;

    /// <summary>All but the bound on tokens, which depends on the prompt.</summary>
    public static SamplingParams Read(JsonElement body) => SamplingBody.Common(body, "min_tokens", "seed");

    /// <summary>
    /// A prompt with its bound: the tokens that were asked for, else as many as there is room for, at most
    /// those of <paramref name="byDefault"/>.
    /// </summary>
    public static GenerateRequest Bounded(
        EngineModel model, GenerateRequest request, int? asked, int byDefault)
    {
        int[] ids = model.Encode(request);
        int most = asked ?? Math.Min(byDefault, model.MostNewTokens(ids.Length));
        return request with
        {
            Text = null, Messages = null, Tools = null, ChatTemplateArguments = null, InputIds = ids,
            Sampling = request.Sampling with { MaxNewTokens = most },
        };
    }

    public static bool SendsUsage(JsonElement body) =>
        Fields.Element(body, "stream_options", JsonValueKind.Object) is { } options
            && (Fields.Boolean(options, "include_usage") ?? false);

    /// <summary>The same, with names as OpenAI's answers have them where the client gave none.</summary>
    public static OpenAiAsk Named(OpenAiAsk ask, string prefix) => ask with
    {
        Bodies = [.. ask.Bodies.Select(body => body.RequestName is null
            ? body with { RequestName = $"{prefix}-{Guid.NewGuid():N}" }
            : body)],
    };

    /// <exception cref="RequestException">It is beyond the cap.</exception>
    public static int Top(string field, int count) => count is >= 0 and <= MostTopLogProbs ? count
        : throw new RequestException(field, $"{count} is not in 0 to {MostTopLogProbs}");
}
