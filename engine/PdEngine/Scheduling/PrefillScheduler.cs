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
    private const int LookaheadTokens = 4096;

    private readonly List<Sequence> _prefilling = [];
    private readonly List<PrefillChunk> _chunks = [];

    public PrefillQueue Queue { get; } = new(options.Policy, space);

    public ReadOnlySpan<Sequence> Prefilling => CollectionsMarshal.AsSpan(_prefilling);

    /// <summary>What the last <see cref="Schedule"/> chose.</summary>
    public ReadOnlySpan<PrefillChunk> Chunks => CollectionsMarshal.AsSpan(_chunks);

    public bool HasWork => _prefilling.Count + Queue.Count > 0;

    public int FirstAdmissionCount { get; private set; }

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
        _chunks.Clear();
        FirstAdmissionCount = 0;
        int budget = budgetTokens;
        foreach (Sequence sequence in _prefilling)
        {
            if (!TryTakeChunk(sequence, ref budget))
                return;
        }
        if (admits && budget > 0 && Queue.Count > 0 && HasPlace(decode))
            Admit(budget, decode, ratio);
    }

    /// <summary>Gives back the blocks of the latest admission; false when there is none.</summary>
    public bool TryRetractLatest()
    {
        if (_prefilling.Count == 0)
            return false;
        Retract(_prefilling[^1]);
        return true;
    }

    /// <summary>
    /// Queues a sequence that gives its blocks back; what it has computed may be found again.
    /// </summary>
    public void Retract(Sequence sequence)
    {
        if (sequence.Phase == SequencePhase.Prefilling)
            Remove(sequence);
        space.Keep(sequence);
        space.Release(sequence);
        sequence.MoveTo(SequencePhase.Queued);
        sequence.RetractionCount++;
        Queue.AddRetracted(sequence);
    }

    private void Admit(int budget, DecodeScheduler decode, NewTokenRatio ratio)
    {
        Queue.Order();
        long expected = ExpectedBlocks(Prefilling, ratio) + ExpectedBlocks(decode.Running, ratio);
        int index = 0;
        while (index < Queue.Count && budget > 0 && HasPlace(decode))
        {
            Sequence sequence = Queue[index];
            PrefixMatch match = space.Peek(sequence);
            if (WillShare(sequence, match))
            {
                index++;
                continue;
            }
            int uncomputed = sequence.TokenCount - match.BlockCount * space.PageSize;
            bool isWhole = options.PrefillChunkTokens is null;
            if (!Fits(sequence, match, expected) || (isWhole && uncomputed > budget && _chunks.Count > 0))
                return;
            Queue.RemoveAdmitted(index);
            Start(sequence);
            expected += ExpectedBlocks([sequence], ratio);
            TryTakeChunk(sequence, ref budget);
        }
    }

    private bool HasPlace(DecodeScheduler decode) =>
        _prefilling.Count + decode.Running.Length < options.MaxRunningSequences;

    /// <summary>
    /// Blocks are left for the sequence up to its end, or as far as admission looks, beside those that
    /// running ones are expected to need.
    /// </summary>
    private bool Fits(Sequence sequence, PrefixMatch match, long expectedBlocks)
    {
        long end = Math.Min(sequence.FullKvCount, (long)sequence.TokenCount + LookaheadTokens);
        int needed = space.BlocksFor((int)end) - match.BlockCount;
        return needed + expectedBlocks <= space.AvailableBlockCount - match.EvictableBlockCount;
    }

    private long ExpectedBlocks(ReadOnlySpan<Sequence> sequences, NewTokenRatio ratio)
    {
        long blocks = 0;
        foreach (Sequence sequence in sequences)
        {
            int remaining = Math.Min(sequence.FullKvCount - sequence.TokenCount, LookaheadTokens);
            int tokens = sequence.TokenCount + ratio.Expect(Math.Max(remaining, 0));
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
            if (other.TokenCount >= needed && tokens.SequenceEqual(other.Tokens[..needed]))
                return true;
        }
        return false;
    }

    private void Start(Sequence sequence)
    {
        sequence.MoveTo(SequencePhase.Prefilling);
        space.Admit(sequence);
        _prefilling.Add(sequence);
        if (sequence.WasAdmitted)
            return;
        sequence.WasAdmitted = true;
        sequence.CachedCount = sequence.ComputedCount;
        sequence.Times.AdmittedTicks = clock.GetTimestamp();
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
