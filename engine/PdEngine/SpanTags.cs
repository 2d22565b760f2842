using System.Diagnostics;

namespace PdEngine;

/// <summary>
/// The attributes of spans: OpenTelemetry's of generative AI, and ours under <c>pdengine.</c>. Nothing of a
/// prompt or an output is among them.
/// </summary>
internal static class SpanTags
{
    public const string Queue = "queue";
    public const string Prefill = "prefill";
    public const string Handoff = "hand-off";
    public const string Decode = "decode";

    public static void Add(Activity span, string model, Request request, Generation generation)
    {
        span.SetTag("gen_ai.operation.name", request.Operation);
        span.SetTag("gen_ai.provider.name", "pdengine");
        span.SetTag("gen_ai.request.model", model);
        span.SetTag("gen_ai.response.model", model);
        span.SetTag("gen_ai.response.id", generation.Id.ToString());
        span.SetTag("gen_ai.response.finish_reasons", new[] { ReasonOf(generation) });
        span.SetTag("gen_ai.usage.input_tokens", generation.PromptIds.Length);
        span.SetTag("gen_ai.usage.output_tokens", generation.OutputIds.Count);
        SamplingParams sampling = request.Sampling;
        span.SetTag("gen_ai.request.max_tokens", sampling.MaxNewTokens);
        span.SetTag("gen_ai.request.temperature", Math.Round((double)sampling.Temperature, 6));
        span.SetTag("gen_ai.request.top_p", Math.Round((double)sampling.TopP, 6));
        if (request.SessionId is { } session)
            span.SetTag("gen_ai.conversation.id", session);
        span.SetTag("pdengine.cached_tokens", generation.CachedTokens);
        span.SetTag("pdengine.path", generation.PdPath.ToString().ToLowerInvariant());
        span.SetTag("pdengine.path_reason", generation.PdReason);
        span.SetTag("pdengine.prefill_worker", generation.PrefillWorker);
        span.SetTag("pdengine.decode_worker", generation.DecodeWorker);
        span.SetTag("pdengine.weight_version", generation.WeightVersion);
        if (generation.TimeToFirstToken is { } firstToken)
            span.SetTag("pdengine.time_to_first_token", firstToken.TotalSeconds);
        if (generation.RetractionCount > 0)
            span.SetTag("pdengine.retractions", generation.RetractionCount);
        if (generation.FailureCount > 0)
            span.SetTag("pdengine.worker_failures", generation.FailureCount);
        if (generation.Error is { } error)
            AddError(span, error);
    }

    /// <summary>The kind of what went wrong; its message may quote a prompt.</summary>
    public static void AddError(Activity span, Exception cause)
    {
        span.SetTag("error.type", cause.GetType().FullName);
        span.SetStatus(ActivityStatusCode.Error);
    }

    public static void AddStage(Activity child, string name, Generation generation)
    {
        switch (name)
        {
            case Prefill:
                child.SetTag("pdengine.worker", generation.PrefillWorker);
                break;
            case Decode:
                child.SetTag("pdengine.worker", generation.DecodeWorker);
                break;
            case Handoff:
                child.SetTag("pdengine.handoff.blocks", generation.HandoffBlocks);
                child.SetTag("pdengine.handoff.bytes", generation.TransferBytes);
                break;
        }
    }

    private static string ReasonOf(Generation generation) => generation.FinishReason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.Abort => "abort",
        _ => "error",
    };
}
