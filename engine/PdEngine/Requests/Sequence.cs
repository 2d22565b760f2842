namespace PdEngine;

/// <summary>One generation in progress. Its owner (one worker) is the only writer.</summary>
internal sealed class Sequence
{
    private int[] _tokens;

    public Sequence(Request request, ISequenceObserver observer, long submittedTicks)
    {
        Request = request;
        Observer = observer;
        PromptCount = request.PromptTokens.Length;
        _tokens = new int[PromptCount + Math.Min(request.Sampling.MaxNewTokens, 256)];
        request.PromptTokens.Span.CopyTo(_tokens);
        TokenCount = PromptCount;
        Times.SubmittedTicks = submittedTicks;
    }

    public Request Request { get; }

    /// <summary>Hears of every token and of the end, on the owner's thread.</summary>
    public ISequenceObserver Observer { get; }

    public SequencePhase Phase { get; private set; }

    /// <summary>Prompt and generated tokens [TokenCount].</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, TokenCount);

    public int TokenCount { get; private set; }

    public int PromptCount { get; }

    public int OutputCount => TokenCount - PromptCount;

    public ReadOnlySpan<int> OutputTokens => Tokens[PromptCount..];

    /// <summary>KV blocks in order of position; empty while queued.</summary>
    public BlockTable Blocks { get; } = new();

    /// <summary>Leading tokens whose K and V lie in <see cref="Blocks"/>.</summary>
    public int ComputedCount { get; set; }

    /// <summary>Prompt tokens that the prefix cache supplied on first admission.</summary>
    public int CachedCount { get; set; }

    /// <summary>Set by the owner when a caller asked for it; acted on between batches.</summary>
    public bool AbortRequested { get; set; }

    public int RetractionCount { get; set; }

    /// <summary>Log-prob of each output token [OutputCount]; empty where not wanted.</summary>
    public List<float> OutputLogProbs { get; } = [];

    /// <summary>Most likely tokens at each output position, concatenated [OutputCount * TopLogProbCount].</summary>
    public List<TopLogProb> OutputTopLogProbs { get; } = [];

    /// <summary>Log-prob of each prompt token after <see cref="Request.LogProbStart"/>, in order.</summary>
    public List<float> InputLogProbs { get; } = [];

    /// <summary>Most likely tokens at each of those positions, concatenated.</summary>
    public List<TopLogProb> InputTopLogProbs { get; } = [];

    public FinishReason? FinishReason { get; private set; }

    /// <summary>The stop id that was met, where the reason is a stop id.</summary>
    public int? MatchedStopId { get; set; }

    /// <summary>The stop string that was met, where the reason is a stop string.</summary>
    public string? MatchedStopText { get; set; }

    public Exception? Error { get; private set; }

    /// <summary>Moments of its life; a reference so that its fields can be set in place.</summary>
    public SequenceTimes Times { get; } = new();

    public void MoveTo(SequencePhase next)
    {
        Check.That(Phase.CanMoveTo(next));
        Phase = next;
    }

    public void Append(int token)
    {
        if (TokenCount == _tokens.Length)
            Array.Resize(ref _tokens, _tokens.Length * 2);
        _tokens[TokenCount++] = token;
    }

    /// <summary>Ends the sequence; its blocks must have been given back.</summary>
    public void Finish(FinishReason reason, Exception? error = null)
    {
        Check.That(Blocks.Count == 0);
        MoveTo(SequencePhase.Finished);
        FinishReason = reason;
        Error = error;
    }
}
