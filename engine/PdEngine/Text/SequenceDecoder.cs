using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// Turns a sequence's tokens into text on its owner's thread, finds stop strings, and feeds the caller's
/// stream.
/// </summary>
internal sealed class SequenceDecoder : ISequenceObserver
{
    private readonly TokenDecoder? _decoder;
    private readonly StopText _text;
    private readonly TokenStream _stream;
    private readonly TimeProvider _clock;
    private readonly string _weightVersion;
    private readonly Action<Generation> _onFinished;
    private int _published;

    /// <param name="tokenizer">Makes text; may be null.</param>
    /// <param name="sampling">Where to stop.</param>
    /// <param name="stream">The caller's.</param>
    /// <param name="clock">Of the timings.</param>
    /// <param name="weightVersion">Of a sequence that is never computed.</param>
    /// <param name="onFinished">Hears of the end.</param>
    public SequenceDecoder(
        Tokenizer? tokenizer, SamplingParams sampling, TokenStream stream, TimeProvider clock,
        string weightVersion, Action<Generation> onFinished)
    {
        _weightVersion = weightVersion;
        _onFinished = onFinished;
        _decoder = tokenizer is null ? null : new TokenDecoder(tokenizer, sampling.SkipSpecialTokens);
        _text = new StopText(sampling.Stop, sampling.NoStopTrim);
        _stream = stream;
        _clock = clock;
    }

    public string? OnToken(Sequence sequence)
    {
        Request request = sequence.Request;
        int token = sequence.Tokens[^1];
        string? stop = null;
        if (_decoder is not null && !IsTrimmedStop(sequence, token))
        {
            string text = _decoder.Append(token);
            stop = _text.Append(text);
            if (text.Length == 0 && request.Sampling.Stop.Count > 0)
                stop ??= HeldBackStop(_decoder);
        }
        if (sequence.OutputCount == 1)
            _stream.Begin(new(request.PromptTokens, InputLogProbs(sequence), sequence.CachedCount));
        _stream.Publish(
            token, request.ReturnLogProb ? sequence.OutputLogProbs[^1] : null, TakeSettled(),
            LastTops(sequence), sequence.Versions.Last?.Version);
        return stop;
    }

    public void OnFinished(Sequence sequence)
    {
        if (_decoder is not null && sequence.MatchedStopText is null)
        {
            _text.Append(_decoder.Flush());
            _text.Settle();
        }
        string last = TakeSettled();
        Generation generation = ToGeneration(sequence);
        _onFinished(generation);
        _stream.Complete(generation, last);
    }

    /// <summary>
    /// A stop string in text that the decoder still holds back: tokens that are one byte each, as a newline
    /// is in many vocabularies, count as text from the moment that they are drawn.
    /// </summary>
    private string? HeldBackStop(TokenDecoder decoder)
    {
        string held = decoder.Fork().Flush();
        return held.Length > 0 && _text.WouldStop(held) ? _text.Append(held) : null;
    }

    private static bool IsTrimmedStop(Sequence sequence, int token) =>
        !sequence.Request.Sampling.NoStopTrim
        && sequence.TokenCount - sequence.Request.PenaltyPromptCount > sequence.Request.Sampling.MinNewTokens
        && Array.BinarySearch(sequence.Request.StopTokenIds, token) >= 0;

    private string TakeSettled()
    {
        string text = _text.Settled(_published);
        _published += text.Length;
        return text;
    }

    private Generation ToGeneration(Sequence sequence)
    {
        Request request = sequence.Request;
        SequenceTimes times = sequence.Times;
        long admitted = times.AdmittedTicks == 0 ? times.FinishedTicks : times.AdmittedTicks;
        return new Generation
        {
            Id = request.Id,
            PromptIds = request.PromptTokens,
            OutputIds = sequence.OutputTokens.ToArray(),
            Text = _text.Settled(0),
            FinishReason = sequence.FinishReason!.Value,
            MatchedStopId = sequence.MatchedStopId,
            MatchedStopText = sequence.MatchedStopText,
            Error = sequence.Error,
            OutputLogProbs = request.ReturnLogProb ? OutputLogProbs(sequence) : [],
            InputLogProbs = InputLogProbs(sequence),
            Reward = sequence.Reward,
            WeightVersion =
                sequence.Versions.Last?.Version ?? sequence.ComputedBy?.Version ?? _weightVersion,
            WeightVersions = sequence.Versions.ToArray(),
            HasMixedKv = sequence.HasMixedKv,
            CachedTokens = sequence.CachedCount,
            RetractionCount = sequence.RetractionCount,
            FailureCount = sequence.FailureCount,
            PdPath = sequence.Pd.Path,
            PdReason = sequence.Pd.Reason,
            PrefillWorker = times.AdmittedTicks == 0 ? "" : sequence.Pd.PrefillWorker,
            DecodeWorker = sequence.Pd.DecodeWorker,
            HandoffBlocks = sequence.Pd.HandoffBlocks,
            TransferBytes = sequence.Pd.TransferBytes,
            Timings = times.Phases(_clock, sequence.Pd.HandoffTicks, times.FinishedTicks),
            QueueTime = _clock.GetElapsedTime(times.SubmittedTicks, admitted),
            TimeToFirstToken = times.FirstTokenTicks == 0
                ? null
                : _clock.GetElapsedTime(times.SubmittedTicks, times.FirstTokenTicks),
            EndToEndTime = _clock.GetElapsedTime(times.SubmittedTicks, times.FinishedTicks),
        };
    }

    private static TokenLogProb[] OutputLogProbs(Sequence sequence)
    {
        TokenLogProb[] entries = new TokenLogProb[sequence.OutputCount];
        int top = sequence.Request.TopLogProbCount;
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = new(
                sequence.OutputTokens[i], sequence.OutputLogProbs[i],
                Slice(sequence.OutputTopLogProbs, i, top));
        }
        return entries;
    }

    /// <summary>The entries made so far: an aborted prompt may have scored only its first part.</summary>
    private static TokenLogProb[] InputLogProbs(Sequence sequence)
    {
        if (sequence.Request.LogProbStart is not { } start)
            return [];
        TokenLogProb[] entries = new TokenLogProb[sequence.InputLogProbs.Count + 1];
        entries[0] = new(sequence.Tokens[start], null, []);
        int top = sequence.Request.TopLogProbCount;
        for (int i = 1; i < entries.Length; i++)
        {
            entries[i] = new(
                sequence.Tokens[start + i], sequence.InputLogProbs[i - 1],
                Slice(sequence.InputTopLogProbs, i - 1, top));
        }
        return entries;
    }

    private static ReadOnlySpan<TopLogProb> LastTops(Sequence sequence) =>
        CollectionsMarshal.AsSpan(sequence.OutputTopLogProbs)[^sequence.Request.TopLogProbCount..];

    private static TopLogProb[] Slice(List<TopLogProb> all, int index, int count) =>
        count == 0 ? [] : [.. all.GetRange(index * count, count)];
}
