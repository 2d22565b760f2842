using System.Diagnostics;
using System.Text.Json;

namespace PdEngine;

/// <summary>One generation to make. Exactly one of <see cref="Text"/>, <see cref="InputIds"/> and
/// <see cref="Messages"/> is given. For n samples of a prompt submit n requests: the prompt is computed once.
/// </summary>
public sealed record GenerateRequest
{
    /// <summary>The prompt as text; needs a checkpoint with a tokenizer.</summary>
    public string? Text { get; init; }

    /// <summary>The prompt as token ids, each in [0, vocabulary).</summary>
    public ReadOnlyMemory<int>? InputIds { get; init; }

    /// <summary>
    /// The prompt as a JSON array of chat messages, rendered by the checkpoint's chat template.
    /// </summary>
    public JsonElement? Messages { get; init; }

    /// <summary>Tools offered to the chat template, a JSON array; only with <see cref="Messages"/>.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>
    /// Further variables of the chat template, a JSON object; only with <see cref="Messages"/>.
    /// </summary>
    public JsonElement? ChatTemplateArguments { get; init; }

    /// <summary>
    /// Reads added tokens such as <c>&lt;|im_end|&gt;</c> in text as tokens, not as plain text.
    /// </summary>
    public bool ParseAddedTokens { get; init; } = true;

    /// <summary>
    /// Leading tokens of the prompt that count as such; the rest counts as output made before, for the
    /// penalties and MinNewTokens, so that an aborted generation goes on as if it had not been. Null is all.
    /// </summary>
    public int? PromptLength { get; init; }

    /// <summary>How tokens are drawn and when to stop.</summary>
    public SamplingParams Sampling { get; init; } = new();

    /// <summary>Reports the log-prob of every output token, and of prompt tokens from
    /// <see cref="LogProbStartLen"/> on.</summary>
    public bool ReturnLogProb { get; init; }

    /// <summary>First prompt position in the prompt's log-probs; -1 is the last prompt token.</summary>
    public int LogProbStartLen { get; init; } = -1;

    /// <summary>How many of the most likely tokens to report with each log-prob; 0 to 64.</summary>
    public int TopLogProbsNum { get; init; }

    /// <summary>Higher runs earlier under the priority policy.</summary>
    public int Priority { get; init; }

    /// <summary>Requests of one key go to one worker under the policies that hash or remember keys, and
    /// are grouped under the routing-key schedule policy.</summary>
    public string? RoutingKey { get; init; }

    /// <summary>
    /// Weights of this version or a later one make it: it waits for them, up to its timeout.
    /// </summary>
    public string? MinWeightVersion { get; init; }

    /// <summary>
    /// Weights of this version alone make it: it is refused where they are past, and waits for them where
    /// they are to come. Where others come while it runs, it ends with what it has.
    /// </summary>
    public string? ExactWeightVersion { get; init; }

    /// <summary>Session of several turns: it stays with the workers that hold its cache.</summary>
    public string? SessionId { get; init; }

    /// <summary>
    /// The span that the request's belongs under, where it came from another process; absent: <see
    /// cref="Activity.Current"/>.
    /// </summary>
    public ActivityContext? TraceParent { get; init; }
}
