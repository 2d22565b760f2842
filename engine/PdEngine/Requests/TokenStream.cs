using System.Diagnostics;
using System.Threading.Channels;

namespace PdEngine;

/// <summary>
/// The output of one request as it is made. Enumerate it for chunks, or await <see cref="Completion"/>; a
/// slow reader costs no memory beyond the output itself, since what it has not read yet comes as one chunk.
/// </summary>
public sealed class TokenStream : IAsyncEnumerable<TokenChunk>
{
    private readonly AppendLog<int> _tokens = new();
    private readonly AppendLog<float> _logProbs = new();
    private readonly AppendLog<TopLogProb> _tops = new();
    private readonly AppendLog<char> _text = new();
    private readonly TaskCompletionSource<Generation> _completion =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<bool> _news = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleWriter = true });
    private readonly Action<RequestId> _abort;
    private readonly int _interval;
    private volatile StreamedPrompt? _prompt;
    private volatile string? _version;
    private int _topCount;

    /// <param name="id">The request's.</param>
    /// <param name="abort">What <see cref="Abort"/> does.</param>
    /// <param name="interval">A reader is woken every so many tokens (stream_interval).</param>
    internal TokenStream(RequestId id, Action<RequestId> abort, int interval = 1)
    {
        Id = id;
        _abort = abort;
        _interval = interval;
    }

    /// <summary>The request's id.</summary>
    public RequestId Id { get; }

    /// <summary>
    /// The whole result, however it ended; it never faults: a failure is <see cref="FinishReason.Error"/>
    /// with <see cref="Generation.Error"/> and the output made before it.
    /// </summary>
    public Task<Generation> Completion => _completion.Task;

    /// <summary>The request's span; null where nobody wants it.</summary>
    internal ActivityContext? Trace { get; set; }

    /// <summary>What is known of the prompt from the first token on; null before it.</summary>
    internal StreamedPrompt? Prompt => _prompt;

    /// <summary>What made the last token; null before the first.</summary>
    internal string? WeightVersion => _version;

    /// <summary>
    /// Asks for an end at the next step; <see cref="Completion"/> then has the output so far.
    /// </summary>
    public void Abort() => _abort(Id);

    /// <summary>
    /// Yields what is made until the end. Cancelling aborts the request and throws; every enumeration starts
    /// at the first token.
    /// </summary>
    public async IAsyncEnumerator<TokenChunk> GetAsyncEnumerator(
        CancellationToken cancellationToken = default)
    {
        int tokens = 0, text = 0;
        using CancellationTokenRegistration registration = cancellationToken.Register(Abort);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            bool ended = _completion.Task.IsCompleted;
            if (TakeNew(ref tokens, ref text) is { } chunk)
                yield return chunk;
            else if (ended)
                yield break;
            else
                await AwaitNewsAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The most likely tokens at a position of the output that a chunk has been read of; empty where none
    /// were asked for.
    /// </summary>
    internal TopLogProb[] TopsAt(int outputIndex)
    {
        int count = Volatile.Read(ref _topCount);
        return count == 0 ? [] : _tops.From(outputIndex * count)[..count].ToArray();
    }

    /// <summary>Before the first token; the owner's thread only.</summary>
    internal void Begin(StreamedPrompt prompt) => _prompt ??= prompt;

    /// <summary>Adds one token and the text it settled; the owner's thread only.</summary>
    internal void Publish(
        int token, float? logProb, ReadOnlySpan<char> text, ReadOnlySpan<TopLogProb> tops = default,
        string? version = null)
    {
        if (logProb is { } value)
            _logProbs.Add(value);
        if (!tops.IsEmpty)
        {
            _tops.AddRange(tops);
            Volatile.Write(ref _topCount, tops.Length);
        }
        if (!ReferenceEquals(_version, version))
            _version = version;
        _text.AddRange(text);
        _tokens.Add(token);
        if (_tokens.Count % _interval == 0)
            _news.Writer.TryWrite(true);
    }

    /// <summary>Ends the stream; the owner's thread only.</summary>
    internal void Complete(Generation generation, ReadOnlySpan<char> lastText)
    {
        _text.AddRange(lastText);
        _completion.SetResult(generation);
        _news.Writer.TryComplete();
    }

    private async ValueTask AwaitNewsAsync(CancellationToken cancellationToken)
    {
        if (await _news.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
            _news.Reader.TryRead(out _);
    }

    private TokenChunk? TakeNew(ref int tokens, ref int text)
    {
        ReadOnlySpan<int> newTokens = _tokens.From(tokens);
        ReadOnlySpan<char> newText = _text.From(text);
        if (newTokens.IsEmpty && newText.IsEmpty)
            return null;
        int[] ids = newTokens.ToArray();
        float[] logProbs = _logProbs.Count == 0 ? [] : _logProbs.From(tokens)[..ids.Length].ToArray();
        TokenChunk chunk = new(ids, logProbs, newText.ToString());
        tokens += ids.Length;
        text += newText.Length;
        return chunk;
    }
}
