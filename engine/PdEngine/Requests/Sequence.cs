namespace PdEngine;

/// <summary>One generation in progress. Its owner (one worker) is the only writer.</summary>
internal sealed class Sequence
{
    private int[] _tokens;
    private volatile bool _abortRequested;

    public Sequence(Request request, ISequenceObserver observer, long submittedTicks)
    {
        Request = request;
        Observer = observer;
        PromptCount = request.PromptTokens.Length;
        _tokens = request.PromptTokens.ToArray();
        Draws = new(request);
        TokenCount = PromptCount;
        Times = new(submittedTicks);
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

    /// <summary>What it holds of its worker's pool; nothing while queued.</summary>
    public KvHold Kv { get; set; } = new();

    /// <summary>KV blocks in order of position; empty while queued.</summary>
    public BlockTable Blocks => Kv.Blocks;

    /// <summary>Leading tokens whose K and V lie in <see cref="Blocks"/>.</summary>
    public int ComputedCount { get; set; }

    /// <summary>Keeps the part of <see cref="Blocks"/> that the prefix cache holds from eviction.</summary>
    public PrefixLock Prefix
    {
        get => Kv.Prefix;
        set => Kv.Prefix = value;
    }

    /// <summary>
    /// Its sample row in the batch that was started last, until its results are applied; else -1.
    /// </summary>
    public int StartedRow { get; set; } = -1;

    /// <summary>A started batch has it: nothing of it is given back before the results are there.</summary>
    public bool IsStarted => StartedRow >= 0;

    /// <summary>
    /// Tokens that it has, and the one that a started batch draws. (Asked only where that batch is a decode
    /// step.)
    /// </summary>
    public int StartedTokenCount => TokenCount + (IsStarted ? 1 : 0);

    /// <summary>How it ends once no started batch has it; what is drawn until then is dropped.</summary>
    public FinishReason? Ending { get; set; }

    /// <summary>Prompt tokens that the prefix cache supplied on first admission.</summary>
    public int CachedCount { get; set; }

    /// <summary>How its rows of logits are drawn from and scored.</summary>
    public DrawTemplate Draws { get; }

    /// <summary>Order of arrival at its worker; kept through retractions.</summary>
    public long Arrival { get; set; }

    /// <summary>Where it stands among queued sequences: lower first, then by arrival.</summary>
    public int QueueRank { get; set; }

    /// <summary>Later arrivals that were admitted before it.</summary>
    public int OvertakenCount { get; set; }

    /// <summary>It has held blocks at least once; it keeps its place at the door from then on.</summary>
    public bool WasAdmitted { get; set; }

    /// <summary>Set by any thread; its owner, whoever that is by then, acts on it between
    /// batches.</summary>
    public bool AbortRequested
    {
        get => _abortRequested;
        set => _abortRequested = value;
    }

    /// <summary>Why it is aborted, where that was not a caller's wish; set before the mark.</summary>
    public Exception? AbortCause { get; set; }

    /// <summary>Tokens that its worker counts as waiting to be computed.</summary>
    public int PendingTokens { get; set; }

    public int RetractionCount { get; set; }

    /// <summary>How often a worker failed under it.</summary>
    public int FailureCount { get; set; }

    /// <summary>Which workers it went through, and why.</summary>
    public PdRecord Pd { get; } = new();

    /// <summary>Log-prob of each output token [OutputCount]; empty where not wanted.</summary>
    public List<float> OutputLogProbs { get; } = [];

    /// <summary>
    /// Most likely tokens at each output position, concatenated [OutputCount * TopLogProbCount].
    /// </summary>
    public List<TopLogProb> OutputTopLogProbs { get; } = [];

    /// <summary>Log-prob of each prompt token after <see cref="Request.LogProbStart"/>, in order.</summary>
    public List<float> InputLogProbs { get; } = [];

    /// <summary>Most likely tokens at each of those positions, concatenated.</summary>
    public List<TopLogProb> InputTopLogProbs { get; } = [];

    /// <summary>
    /// Leading tokens that need K and V at its longest; the last token of all is never computed.
    /// </summary>
    public int FullKvCount => PromptCount + Math.Max(Request.Sampling.MaxNewTokens, 1) - 1;

    /// <summary>
    /// Prompt positions whose rows score the next token: [LogProbStart + InputLogProbs, this).
    /// </summary>
    public int ScoreEnd => PromptCount - 1;

    /// <summary>
    /// First prompt position whose row is still to be scored; <see cref="ScoreEnd"/> when none is.
    /// </summary>
    public int ScoreStart =>
        Request.LogProbStart is { } start ? Math.Min(start + InputLogProbs.Count, ScoreEnd) : ScoreEnd;

    /// <summary>
    /// Longest prefix that need not be computed: the last token gives the next one, and rows that are to be
    /// scored must pass through the model.
    /// </summary>
    public int CacheableCount => ScoreStart < ScoreEnd ? ScoreStart : TokenCount - 1;

    /// <summary>What a reward model made of it, where one has.</summary>
    public float? Reward { get; set; }

    /// <summary>Prompt tokens, or the prompt as a whole, are still to be scored.</summary>
    public bool IsScoring => ScoreStart < ScoreEnd || (Request.WantsReward && Reward is null);

    /// <summary>Number of the weights that scored the prompt.</summary>
    public int ScoreEpoch { get; set; }

    /// <summary>Which weights made each token.</summary>
    public VersionRuns Versions { get; } = new();

    /// <summary>What computed it last; null where nothing has.</summary>
    public WeightEpoch? ComputedBy { get; set; }

    /// <summary>Some token comes from K and V that not all are of the weights that made it.</summary>
    public bool HasMixedKv { get; set; }

    public FinishReason? FinishReason { get; private set; }

    /// <summary>The stop id that was met, where the reason is a stop id.</summary>
    public int? MatchedStopId { get; set; }

    /// <summary>The stop string that was met, where the reason is a stop string.</summary>
    public string? MatchedStopText { get; set; }

    public Exception? Error { get; private set; }

    /// <summary>Moments of its life; a reference so that its fields can be set in place.</summary>
    public SequenceTimes Times { get; }

    public void MoveTo(SequencePhase next)
    {
        Check.That(Phase.CanMoveTo(next));
        Phase = next;
    }

    /// <summary>Makes room for all that it may generate, so that a decode step allocates nothing.</summary>
    public void ReserveStorage(int pageSize)
    {
        int newTokens = Request.Sampling.MaxNewTokens;
        if (_tokens.Length < PromptCount + newTokens)
            Array.Resize(ref _tokens, PromptCount + newTokens);
        Blocks.EnsureCapacity((FullKvCount + pageSize - 1) / pageSize);
        if (!Request.ReturnLogProb)
            return;
        OutputLogProbs.EnsureCapacity(newTokens);
        OutputTopLogProbs.EnsureCapacity(newTokens * Request.TopLogProbCount);
    }

    /// <summary>
    /// The prompt is about to be scored: what other weights have scored of it is of no use.
    /// </summary>
    public void BeginScores(int epoch)
    {
        if (!IsScoring || ScoreEpoch == epoch)
            return;
        InputLogProbs.Clear();
        InputTopLogProbs.Clear();
        ScoreEpoch = epoch;
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
