namespace PdEngine.Tests;

/// <summary>
/// One caller of the engine: holds its sequence, hears of its progress, and judges the result.
/// </summary>
internal sealed class SimulatedCall(Request request) : ISequenceObserver
{
    private readonly List<int> _kvEpochs = [];
    private readonly List<TokenOrigin> _origins = [];
    private int _lossCount;
    private int _tokenCalls;
    private int _finishCalls;
    private int _seenTokens;
    private long _tokenStep;

    public Request Request { get; } = request;

    public Sequence? Sequence { get; private set; }

    public BugPlanter? Planter { get; set; }

    /// <summary>Says whether an error may end it now.</summary>
    public Func<Sequence, bool>? MayFail { get; init; }

    /// <summary>Number of the service's weights; absent: there are no others.</summary>
    public Func<int>? CurrentEpoch { get; init; }

    public bool IsFinished => Sequence is { Phase: SequencePhase.Finished };

    /// <summary>An abort was posted; by the end of the next step it must have ended.</summary>
    public bool AbortPosted { get; set; }

    /// <summary>When it was.</summary>
    public long AbortStep { get; set; }

    public Sequence Open(long ticks) => Sequence = new(Request, this, ticks);

    /// <summary>What it has computed since the last time was with these weights.</summary>
    public void NoteComputed(int epoch)
    {
        Sequence sequence = Sequence!;
        int lossCount = sequence.RetractionCount + sequence.FailureCount;
        if (lossCount != _lossCount)
            _kvEpochs.Clear();
        _lossCount = lossCount;
        while (_kvEpochs.Count < sequence.ComputedCount)
            _kvEpochs.Add(epoch);
    }

    public string? OnToken(Sequence sequence)
    {
        if (CurrentEpoch is not null)
            NoteOrigin(sequence);
        _tokenCalls++;
        Check.That(_finishCalls == 0 && sequence == Sequence && _tokenCalls == sequence.OutputCount);
        Planter?.OnToken(sequence);
        bool stops = Request.Sampling.Stop.Count > 0 && FakeModel.EndsStopString(sequence.Tokens[^1]);
        return stops && Planter?.Bug != PlantedBug.StopStringMissed ? Request.Sampling.Stop[0] : null;
    }

    private void NoteOrigin(Sequence sequence)
    {
        int epoch = CurrentEpoch!();
        Check.That(sequence.Versions.Last!.Number == epoch);
        NoteComputed(epoch);
        Check.That(_kvEpochs.Count == sequence.TokenCount - 1);
        bool isMixed = _kvEpochs.Exists(other => other != epoch);
        Check.That(!isMixed || sequence.HasMixedKv);
        _origins.Add(new(epoch, isMixed ? [.. _kvEpochs] : null));
    }

    public void OnFinished(Sequence sequence)
    {
        _finishCalls++;
        Check.That(_finishCalls == 1);
        Check.That(sequence.Phase == SequencePhase.Finished && sequence.Blocks.Count == 0);
        Check.That(sequence.FinishReason != FinishReason.Error || MayFail?.Invoke(sequence) != false);
    }

    /// <summary>Steps since its last token while it decodes; 0 in every other phase.</summary>
    public long StepsWithoutToken(long step)
    {
        if (Sequence!.Phase != SequencePhase.Decoding || _seenTokens != _tokenCalls)
            _tokenStep = step;
        _seenTokens = _tokenCalls;
        return step - _tokenStep;
    }

    /// <summary>Compares what it got with what it would have got alone.</summary>
    public void Judge(int contextTokens)
    {
        Sequence got = Sequence!;
        SequentialOracle oracle = new(Request, contextTokens, OriginOf, got.ScoreEpoch);
        Check.That(got.HasMixedKv == _origins.Exists(origin => origin.Kv is not null));
        Check.That(got.Versions.TokenCount == got.OutputCount);
        Check.That(_finishCalls == 1);
        Check.That(_tokenCalls == got.OutputCount);
        bool isWhole = got.FinishReason is FinishReason.Stop or FinishReason.Length;
        Compare(oracle.Output, [.. got.OutputTokens], isWhole);
        Compare(oracle.OutputLogProbs, got.OutputLogProbs, isWhole);
        Compare(oracle.OutputTops, got.OutputTopLogProbs, isWhole);
        Compare(oracle.InputLogProbs, got.InputLogProbs, isWhole);
        Compare(oracle.InputTops, got.InputTopLogProbs, isWhole);
        Check.That(!Request.ReturnLogProb || got.OutputLogProbs.Count == got.OutputCount);
        if (isWhole)
        {
            Check.That(got.FinishReason == oracle.Reason);
            Check.That(got.MatchedStopId == oracle.StopId);
            Check.That(got.MatchedStopText is not null == oracle.MetStopText);
            Check.That(got.Error is null);
        }
        else
        {
            Check.That(got.FinishReason == FinishReason.Abort ? AbortPosted : got.Error is WorkerException);
        }
    }

    private TokenOrigin OriginOf(int index) =>
        index < _origins.Count ? _origins[index]
        : _origins.Count == 0 ? default : new(_origins[^1].Epoch, null);

    private static void Compare<T>(List<T> expected, List<T> got, bool isWhole)
    {
        Check.That(got.Count <= expected.Count && (!isWhole || got.Count == expected.Count));
        Check.That(got.SequenceEqual(expected.Take(got.Count)));
    }
}
