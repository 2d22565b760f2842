using System.Diagnostics;

namespace PdEngine;

/// <summary>What was asked, validated and immutable. Progress lives in <see cref="Sequence"/>.</summary>
internal sealed record Request
{
    public required RequestId Id { get; init; }

    /// <summary>Prompt token ids [promptTokens], at least one.</summary>
    public required ReadOnlyMemory<int> PromptTokens { get; init; }

    public required SamplingParams Sampling { get; init; }

    /// <summary>Seed of the draws, already settled.</summary>
    public required ulong Seed { get; init; }

    /// <summary>
    /// Ids that end the generation: the checkpoint's (unless ignored) and the request's; ascending.
    /// </summary>
    public required int[] StopTokenIds { get; init; }

    /// <summary>Output log-probs are wanted.</summary>
    public bool ReturnLogProb { get; init; }

    /// <summary>
    /// First prompt position whose log-prob is wanted; null where none is. Its own entry is null.
    /// </summary>
    public int? LogProbStart { get; init; }

    /// <summary>What a reward model's head makes of the prompt's last token is wanted, and nothing
    /// else.</summary>
    public bool WantsReward { get; init; }

    /// <summary>How many of the most likely tokens to report with each log-prob.</summary>
    public int TopLogProbCount { get; init; }

    /// <summary>
    /// Tokens before this count as prompt for the penalties; it is the prompt's length for a generation and
    /// may be less when a finished rollout is scored.
    /// </summary>
    public required int PenaltyPromptCount { get; init; }

    /// <summary>Higher runs earlier under the priority policy.</summary>
    public int Priority { get; init; }

    /// <summary>Requests of one key are kept together, on a worker and in its queue.</summary>
    public string? RoutingKey { get; init; }

    /// <summary>Weights of this version or a later one make it; it waits at the door for them.</summary>
    public string? MinWeightVersion { get; init; }

    /// <summary>Weights of this version alone make it.</summary>
    public string? ExactWeightVersion { get; init; }

    /// <summary>Session of several turns that it belongs to.</summary>
    public string? SessionId { get; init; }

    /// <summary>What is done, as OpenTelemetry calls it; scoring has no name there.</summary>
    public string Operation { get; init; } = "score";

    /// <summary>The span that its own belongs under; null: the caller's, where there is one.</summary>
    public ActivityContext? TraceParent { get; init; }
}
