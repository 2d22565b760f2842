using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// Queued sequences and those whose tokens are being computed. Each step it goes on with the latter in order
/// of admission, then admits from the queue while tokens, blocks and places last.
/// </summary>
/// <remarks>
/// An admitted sequence has blocks for all its tokens, so it never stops half way. The first of the queue
/// that does not fit holds back all behind it: what it waits for is only ever given back, so it is admitted
/// in the end, and at the latest when nothing else runs.
/// </remarks>
internal sealed class PrefillScheduler(SchedulerOptions options, KvSpace space, TimeProvider clock)
{
    /// <summary>How often a sequence may be overtaken before it stops giving way.</summary>
    public const int MaxOvertakenCount = 64;

    /// <summary>New tokens of a sequence that admission looks ahead, at most.</summary>
    public const int LookaheadTokens = 4096;

    private readonly List<Sequence> _prefilling = [];
    private readonly List<PrefillChunk> _chunks = [];
    private readonly List<Sequence> _admitted = [];
    private readonly List<Sequence> _retracted = [];
    private bool _awaitsBlocks;

    public PrefillQueue Queue { get; } = new(options.Policy, space);

    public ReadOnlySpan<Sequence> Prefilling => CollectionsMarshal.AsSpan(_prefilling);

    /// <summary>What the last <see cref="Schedule"/> chose.</summary>
    public ReadOnlySpan<PrefillChunk> Chunks => CollectionsMarshal.AsSpan(_chunks);

    /// <summary>The first of the queue did not fit when it was last tried.</summary>
    public bool AwaitsBlocks => _awaitsBlocks && Queue.Count > 0;

    public bool HasWork => _prefilling.Count + Queue.Count > 0;

    /// <summary>Sequences that the last <see cref="Schedule"/> admitted.</summary>
    public ReadOnlySpan<Sequence> Admitted => CollectionsMarshal.AsSpan(_admitted);

    /// <summary>How many of them for the first time.</summary>
    public int FirstAdmissionCount { get; private set; }

    /// <summary>Sequences that gave their blocks back; the worker puts each into a queue and takes it off
    /// here.</summary>
    public List<Sequence> Retracted => _retracted;

    /// <summary>Takes a sequence off the prefill side, in whatever phase it is there.</summary>
    public void Remove(Sequence sequence)
    {
        if (sequence.Phase == SequencePhase.Queued)
        {
            Queue.Remove(sequence);
            return;
        }
        bool removed = _prefilling.Remove(sequence);
        Check.That(removed);
    }

    /// <summary>Chooses this step's chunks.</summary>
    /// <param name="budgetTokens">Tokens to compute, at most.</param>
    /// <param name="decode">The decoding sequences, which need places and further blocks.</param>
    /// <param name="ratio">How many.</param>
    /// <param name="admits">False goes on with admitted sequences only.</param>
    public void Schedule(int budgetTokens, DecodeScheduler decode, NewTokenRatio ratio, bool admits)
    {
        ClearStep();
        if (admits)
            _awaitsBlocks = false;
        int budget = budgetTokens;
        foreach (Sequence sequence in _prefilling)
        {
            if (!TryTakeChunk(sequence, ref budget))
                return;
        }
        if (admits && budget > 0 && Queue.Count > 0 && HasPlace(decode))
            Admit(budget, decode, ratio);
    }

    /// <summary>Forgets what the last <see cref="Schedule"/> chose.</summary>
    public void ClearStep()
    {
        _chunks.Clear();
        _admitted.Clear();
        FirstAdmissionCount = 0;
    }

    /// <summary>Blocks that prefilling and running sequences are expected to take yet.</summary>
    public long ExpectedBlocks(DecodeScheduler decode, NewTokenRatio ratio) =>
        ExpectedBlocks(Prefilling, ratio) + ExpectedBlocks(decode.Running, ratio)
        + ExpectedBlocks(decode.Arrived, ratio);

    /// <summary>Gives back the blocks of the latest admission; false when there is none.</summary>
    public bool TryRetractLatest()
    {
        if (_prefilling.Count == 0)
            return false;
        Retract(_prefilling[^1]);
        return true;
    }

    /// <summary>Takes a sequence's blocks; what it has computed may be found again.</summary>
    public void Retract(Sequence sequence)
    {
        Check.That(!sequence.IsStarted);
        if (sequence.Phase == SequencePhase.Prefilling)
            Remove(sequence);
        space.Keep(sequence.Kv, sequence.Tokens[..sequence.ComputedCount]);
        space.Release(sequence.Kv);
        sequence.ComputedCount = 0;
        sequence.MoveTo(SequencePhase.Queued);
        sequence.Times.Enter(SequenceStage.PrefillQueue, clock.GetTimestamp());
        sequence.RetractionCount++;
        _retracted.Add(sequence);
    }

    private void Admit(int budget, DecodeScheduler decode, NewTokenRatio ratio)
    {
        Queue.Order(Prefilling, decode.Running);
        long expected = ExpectedBlocks(decode, ratio);
        int index = 0;
        while (index < Queue.Count && budget > 0 && HasPlace(decode))
        {
            Sequence sequence = Queue[index];
            sequence.BeginScores(space.Epoch);
            PrefixMatch match = space.Peek(sequence);
            if (WillFork(sequence) || WillShare(sequence, match))
            {
                index++;
                continue;
            }
            int uncomputed = sequence.TokenCount - match.BlockCount * space.PageSize;
            bool isWhole = options.PrefillChunkTokens is null;
            if ((isWhole && uncomputed > budget && _chunks.Count > 0) || !TryStart(sequence, expected))
                return;
            Queue.RemoveAdmitted(index);
            expected += ExpectedBlocks([sequence], ratio);
            TryTakeChunk(sequence, ref budget);
        }
    }

    /// <summary>
    /// Admits queued sequences with the very tokens of one that is computed to its end in this step: they
    /// draw from its last row and share its blocks.
    /// </summary>
    /// <param name="prompt">Ends in this step.</param>
    /// <param name="decode">The decoding sequences, which need places and further blocks.</param>
    /// <param name="ratio">How many.</param>
    /// <param name="forks">Gains the sequences.</param>
    public void TakeForks(
        Sequence prompt, DecodeScheduler decode, NewTokenRatio ratio, List<Sequence> forks)
    {
        // Shared blocks must be the cache's, or another worker of the domain could cache and evict them.
        if (Queue.Count == 0 || !options.UsesPrefixCache || !space.IsCurrent(prompt.Kv))
            return;
        for (int index = 0; index < Math.Min(Queue.Count, PrefillQueue.WindowCount); index++)
        {
            Sequence sequence = Queue[index];
            if (!IsForkOf(sequence, prompt))
                continue;
            if (_prefilling.Count + decode.Running.Length >= options.MaxRunningSequences
                || !space.TryAdmitFork(
                    sequence.Kv, sequence.TokenCount, EndOf(sequence), ExpectedBlocks(decode, ratio)))
            {
                return;
            }
            Queue.RemoveAdmitted(index--);
            NoteAdmitted(sequence, cachedTokens: sequence.TokenCount);
            forks.Add(sequence);
        }
    }

    /// <summary>A prompt that is being computed is this very one.</summary>
    private bool WillFork(Sequence sequence)
    {
        if (!options.UsesPrefixCache || sequence.OvertakenCount >= MaxOvertakenCount)
            return false;
        foreach (Sequence prompt in _prefilling)
        {
            if (IsForkOf(sequence, prompt) && space.IsCurrent(prompt.Kv))
                return true;
        }
        return false;
    }

    private static bool IsForkOf(Sequence sequence, Sequence prompt) =>
        sequence.TokenCount == prompt.TokenCount
        && sequence.Request.Sampling.MaxNewTokens > 0
        && prompt.Request.Sampling.MaxNewTokens > 0
        && sequence.ScoreStart == sequence.ScoreEnd
        && sequence.Tokens.SequenceEqual(prompt.Tokens);

    private bool HasPlace(DecodeScheduler decode) =>
        _prefilling.Count + decode.Running.Length < options.MaxRunningSequences
        && _chunks.Count < (options.MaxPrefillSequences ?? int.MaxValue);

    /// <summary>How long a sequence may become, as far as admission looks.</summary>
    private int EndOf(Sequence sequence) => options.LooksAhead
        ? (int)Math.Min(sequence.FullKvCount, (long)sequence.TokenCount + LookaheadTokens)
        : sequence.TokenCount;

    private long ExpectedBlocks(ReadOnlySpan<Sequence> sequences, NewTokenRatio ratio)
    {
        long blocks = 0;
        foreach (Sequence sequence in sequences)
        {
            int remaining = Math.Clamp(sequence.FullKvCount - sequence.TokenCount, 0, LookaheadTokens);
            int grows = Math.Max(ratio.Expect(remaining), Math.Min(remaining, options.ReservedDecodeTokens));
            int tokens = sequence.TokenCount + (options.LooksAhead ? grows : 0);
            blocks += Math.Max(0, space.BlocksFor(tokens) - sequence.Blocks.Count);
        }
        return blocks;
    }

    /// <summary>
    /// A prompt that is being computed will soon supply more of this one than the cache does now, as with the
    /// samples of one group: waiting for it saves the work. It ends in bounded time, so the wait does too.
    /// </summary>
    private bool WillShare(Sequence sequence, PrefixMatch match)
    {
        if (!options.UsesPrefixCache || sequence.OvertakenCount >= MaxOvertakenCount)
            return false;
        ReadOnlySpan<int> tokens = sequence.Tokens[..sequence.CacheableCount];
        int needed = (match.BlockCount + 1) * space.PageSize;
        if (tokens.Length < needed)
            return false;
        tokens = tokens[..needed];
        foreach (Sequence other in _prefilling)
        {
            if (other.TokenCount >= needed && space.IsCurrent(other.Kv)
                && tokens.SequenceEqual(other.Tokens[..needed]))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>
    /// Admits a sequence for which blocks are left up to its end, or as far as admission looks, beside those
    /// that running ones are expected to take.
    /// </summary>
    private bool TryStart(Sequence sequence, long expectedBlocks)
    {
        if (!space.TryAdmit(
            sequence.Kv, sequence.Tokens, sequence.CacheableCount, EndOf(sequence), expectedBlocks))
        {
            _awaitsBlocks = true;
            return false;
        }
        sequence.ComputedCount = sequence.Prefix.BlockCount * space.PageSize;
        NoteAdmitted(sequence, sequence.ComputedCount);
        return true;
    }

    private void NoteAdmitted(Sequence sequence, int cachedTokens)
    {
        sequence.MoveTo(SequencePhase.Prefilling);
        _prefilling.Add(sequence);
        _admitted.Add(sequence);
        long now = clock.GetTimestamp();
        sequence.Times.Enter(SequenceStage.PrefillForward, now);
        if (sequence.WasAdmitted)
            return;
        sequence.WasAdmitted = true;
        sequence.CachedCount = cachedTokens;
        sequence.Times.AdmittedTicks = now;
        sequence.ReserveStorage(space.PageSize);
        FirstAdmissionCount++;
    }

    private bool TryTakeChunk(Sequence sequence, ref int budget)
    {
        int uncomputed = sequence.TokenCount - sequence.ComputedCount;
        bool isWhole = options.PrefillChunkTokens is null;
        if (budget <= 0 || (isWhole && uncomputed > budget && _chunks.Count > 0))
            return false;
        int count = isWhole ? uncomputed : Math.Min(uncomputed, budget);
        budget -= count;
        _chunks.Add(new(sequence, count));
        return true;
    }
}

/// <summary>One sequence's share of a step.</summary>
/// <param name="Sequence">Whose tokens.</param>
/// <param name="TokenCount">How many, from its computed count on.</param>
internal readonly record struct PrefillChunk(Sequence Sequence, int TokenCount);
