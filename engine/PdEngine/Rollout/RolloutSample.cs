using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// One sample of a prompt: what the model made over all its turns and what the environment put in between,
/// with everything that a trainer needs of each token. Only the rollout that makes it writes to it.
/// </summary>
public sealed class RolloutSample
{
    private readonly List<int> _tokens;
    private readonly List<float> _logProbs = [];
    private readonly List<byte> _lossMask = [];
    private readonly List<WeightVersionRun> _versions = [];
    private readonly List<Range> _turns = [];

    /// <summary>Starts a sample.</summary>
    /// <param name="prompt">Where it comes from.</param>
    /// <param name="promptTokens">The prompt's tokens, at least one.</param>
    public RolloutSample(RolloutPrompt prompt, ReadOnlySpan<int> promptTokens)
    {
        if (promptTokens.IsEmpty)
            throw new RolloutException("a sample needs a prompt of at least one token");
        Prompt = prompt;
        PromptLength = promptTokens.Length;
        _tokens = [.. promptTokens];
    }

    /// <summary>Where it comes from.</summary>
    public RolloutPrompt Prompt { get; }

    /// <summary>Shared by the samples of one prompt.</summary>
    public long RolloutId { get; init; }

    /// <summary>Its place among the samples of its prompt.</summary>
    public int Index { get; init; }

    /// <summary>Its turns go to the workers that hold what came before.</summary>
    public string? SessionId { get; init; }

    /// <summary>Seed of its draws; null leaves it to the engine.</summary>
    public ulong? Seed { get; init; }

    /// <summary>How it stands.</summary>
    public RolloutStatus Status { get; internal set; }

    /// <summary>Prompt and response [PromptLength + ResponseLength].</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>Tokens of the prompt.</summary>
    public int PromptLength { get; }

    /// <summary>Tokens after the prompt, the environment's included.</summary>
    public int ResponseLength => _tokens.Count - PromptLength;

    /// <summary>Log-probs of the response [ResponseLength], tempered; 0 on tokens of the
    /// environment.</summary>
    public IReadOnlyList<float> LogProbs => _logProbs;

    /// <summary>1 on tokens that the model drew, 0 on those of the environment [ResponseLength].</summary>
    public IReadOnlyList<byte> LossMask => _lossMask;

    /// <summary>
    /// Weights that each token of the response was made with, in runs that sum to ResponseLength; tokens of
    /// the environment count with the turn before them.
    /// </summary>
    public IReadOnlyList<WeightVersionRun> WeightVersions => _versions;

    /// <summary>Weights of the last token; null before the first.</summary>
    public string? WeightVersion => _versions.Count == 0 ? null : _versions[^1].Version;

    /// <summary>The model's turns, as ranges of <see cref="Tokens"/>.</summary>
    public IReadOnlyList<Range> Turns => _turns;

    /// <summary>Tokens of the last turn.</summary>
    public ReadOnlySpan<int> TurnTokens =>
        _turns.Count == 0 ? [] : CollectionsMarshal.AsSpan(_tokens)[_turns[^1]];

    /// <summary>Text of the model's turns, one after another; empty without a tokenizer.</summary>
    public string Text { get; private set; } = "";

    /// <summary>Why the last turn ended; null before it has.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>What went wrong, where it failed.</summary>
    public Exception? Error { get; private set; }

    /// <summary>Given by the environment, or by the rewards of its group.</summary>
    public double? Reward { get; set; }

    /// <summary>Prompt tokens of all turns that the prefix cache supplied.</summary>
    public long CachedTokens { get; private set; }

    /// <summary>Prompt tokens of all turns.</summary>
    public long PromptTokens { get; private set; }

    /// <summary>Some of its tokens were drawn from K and V of more than one version of the
    /// weights.</summary>
    public bool HasMixedKv { get; private set; }

    /// <summary>Where the time of all turns went.</summary>
    public PhaseTimings Timings { get; private set; } = new();

    /// <summary>The environment's own state of this sample.</summary>
    public object? State { get; set; }

    /// <summary>Adds tokens that the model drew.</summary>
    /// <exception cref="RolloutException">Not one log-prob for each token.</exception>
    public void AddDrawn(ReadOnlySpan<int> tokens, ReadOnlySpan<float> logProbs)
    {
        if (tokens.Length != logProbs.Length)
            throw new RolloutException($"{tokens.Length} drawn tokens came with {logProbs.Length} log-probs");
        _tokens.AddRange(tokens);
        _logProbs.AddRange(logProbs);
        CollectionsMarshal.SetCount(_lossMask, _lossMask.Count + tokens.Length);
        CollectionsMarshal.AsSpan(_lossMask)[^tokens.Length..].Fill(1);
    }

    /// <summary>Adds tokens of the environment.</summary>
    public void AddObservation(IReadOnlyList<int> tokens)
    {
        _tokens.AddRange(tokens);
        _logProbs.AddRange(Enumerable.Repeat(0f, tokens.Count));
        _lossMask.AddRange(Enumerable.Repeat((byte)0, tokens.Count));
        AddVersion(WeightVersion ?? "default", tokens.Count);
    }

    /// <summary>Excludes from the loss what other weights than the present ones made.</summary>
    /// <param name="present">Name of the present weights.</param>
    public void MaskAllBut(string present)
    {
        Span<byte> mask = CollectionsMarshal.AsSpan(_lossMask);
        foreach (WeightVersionRun run in _versions)
        {
            if (run.Version != present)
                mask[..run.Tokens].Clear();
            mask = mask[run.Tokens..];
        }
    }

    /// <summary>Fails unless every per-token list has exactly one entry for each response token.</summary>
    /// <exception cref="RolloutException">The message has all lengths.</exception>
    public void Validate()
    {
        int versioned = _versions.Sum(run => run.Tokens);
        if (_logProbs.Count == ResponseLength && _lossMask.Count == ResponseLength
            && versioned == ResponseLength)
        {
            return;
        }
        throw new RolloutException(
            $"sample {Index} of rollout {RolloutId} has {ResponseLength} response tokens, but "
            + $"{_logProbs.Count} log-probs, {_lossMask.Count} mask entries and {versioned} weight versions");
    }

    /// <summary>Fails unless one version made all of it and the K and V that it was drawn from.</summary>
    /// <param name="version">The one.</param>
    /// <param name="present">That of the service, for the message.</param>
    internal void ThrowUnlessOf(string version, string present)
    {
        // A run that is not there has no name.
        string? other = _versions.Find(run => run.Version != version).Version;
        if (other is null && !HasMixedKv)
            return;
        string what = other is null
            ? "K and V of several versions"
            : $"tokens of version '{other}'";
        throw new WeightVersionMismatchException(
            $"Sample {Index} of rollout {RolloutId} has {what}, and is to be scored by version '{version}': "
            + "that does not give its log-probs again. Score it by the present weights instead "
            + $"(ScoreByPresentAsync, '{present}').", version, present);
    }

    /// <summary>Begins a turn of the model.</summary>
    internal void BeginTurn()
    {
        Status = RolloutStatus.Pending;
        FinishReason = null;
        _turns.Add(_tokens.Count.._tokens.Count);
    }

    /// <summary>Ends it by a fault of what it was given, not of the caller's: other samples go on.</summary>
    internal void Fail(Exception cause)
    {
        Status = RolloutStatus.Failed;
        Error = cause;
    }

    /// <summary>Takes over what a turn's generation says beyond its tokens, which are here already.</summary>
    /// <param name="turn">The end of the turn, or of a part of it.</param>
    /// <param name="before">Tokens that there were before it.</param>
    internal void EndTurn(Generation turn, int before)
    {
        int streamed = _tokens.Count - before;
        if (turn.OutputIds.Count != streamed)
            throw new RolloutException($"a turn made {turn.OutputIds.Count} tokens and streamed {streamed}");
        _turns[^1] = _turns[^1].Start.Value.._tokens.Count;
        foreach (WeightVersionRun run in turn.WeightVersions)
            AddVersion(run.Version, run.Tokens);
        Text += turn.Text;
        FinishReason = turn.FinishReason;
        Error = turn.Error;
        CachedTokens += turn.CachedTokens;
        PromptTokens += turn.PromptIds.Length;
        HasMixedKv |= turn.HasMixedKv;
        Timings = Timings.Plus(turn.Timings);
    }

    private void AddVersion(string version, int tokens)
    {
        if (tokens == 0)
            return;
        if (_versions.Count > 0 && _versions[^1].Version == version)
            _versions[^1] = new(version, _versions[^1].Tokens + tokens);
        else
            _versions.Add(new(version, tokens));
    }
}
