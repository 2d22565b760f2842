using System.Collections.Concurrent;
using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// llama.cpp serving as its own server does: one batch a step, of the next token of every running request
/// and as much of the waiting prompts as the batch has room for. A slot keeps its positions for the next
/// turn of its session. Greedy.
/// </summary>
internal sealed class LlamaServer : IServer
{
    private readonly LlamaCpp _peer;
    private readonly LlamaSlot[] _slots;
    private readonly LlamaBatch _batch;
    private readonly int _vocabularySize;
    private readonly BlockingCollection<LlamaJob> _arrivals = [];
    private readonly List<LlamaJob> _waiting = [];
    private readonly Thread _loop;
    private volatile PeerException? _fault;

    /// <param name="peer">Gets a context of its own; not owned.</param>
    /// <param name="slots">Requests at once.</param>
    /// <param name="slotTokens">Longest request.</param>
    /// <param name="batchTokens">Tokens of one step.</param>
    /// <param name="threads">Of the peer.</param>
    /// <param name="vocabularySize">Columns of its logits.</param>
    public LlamaServer(
        LlamaCpp peer, int slots, int slotTokens, int batchTokens, int threads, int vocabularySize)
    {
        const int granularity = 256;
        int contextTokens = slots * ((slotTokens + granularity) / granularity * granularity);
        peer.OpenContext(contextTokens, slots, threads);
        _peer = peer;
        _slots = [.. Enumerable.Range(0, slots).Select(id => new LlamaSlot(id))];
        _batch = new LlamaBatch(Math.Min(batchTokens, contextTokens));
        _vocabularySize = vocabularySize;
        _loop = new Thread(Serve) { IsBackground = true, Name = "llama.cpp" };
        _loop.Start();
    }

    public async Task<RequestTrace> RunAsync(ServingRequest request, Action<int>? onTokens = null)
    {
        LlamaJob job = new(request);
        List<TokenArrival> arrivals = new(request.OutputTokens);
        List<int> ids = new(request.OutputTokens);
        long submitted = Stopwatch.GetTimestamp();
        Submit(job);
        while (await job.Output.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            int before = ids.Count;
            while (job.Output.Reader.TryRead(out int id))
                ids.Add(id);
            arrivals.Add(new(Stopwatch.GetTimestamp(), ids.Count - before));
            onTokens?.Invoke(ids.Count - before);
        }
        return new RequestTrace
        {
            Request = request, SubmittedTicks = submitted, Arrivals = arrivals, OutputIds = ids,
            CachedTokens = job.CachedTokens,
        };
    }

    public async ValueTask DisposeAsync()
    {
        _arrivals.CompleteAdding();
        await Task.Run(_loop.Join).ConfigureAwait(false);
        _arrivals.Dispose();
    }

    private void Serve()
    {
        try
        {
            while (TakeArrivals())
                Step();
        }
        catch (PeerException error)
        {
            _fault = error;
            _arrivals.CompleteAdding();
            _waiting.AddRange(_arrivals.GetConsumingEnumerable());
            foreach (LlamaJob job in _waiting.Concat(_slots.Select(slot => slot.Job).OfType<LlamaJob>()))
                job.Output.Writer.TryComplete(error);
        }
    }

    private void Submit(LlamaJob job)
    {
        try
        {
            _arrivals.Add(job);
        }
        catch (InvalidOperationException) when (_fault is { } fault)
        {
            throw fault;
        }
    }

    /// <summary>Waits where nothing runs; false once there is nothing more to come.</summary>
    private bool TakeArrivals()
    {
        bool isIdle = _waiting.Count == 0 && _slots.All(slot => slot.Job is null);
        if (isIdle)
        {
            if (!_arrivals.TryTake(out LlamaJob? first, Timeout.Infinite))
                return false;
            _waiting.Add(first);
        }
        while (_arrivals.TryTake(out LlamaJob? more))
            _waiting.Add(more);
        while (_waiting.Count > 0 && SlotFor(_waiting[0]) is { } slot)
        {
            int kept = slot.Take(_waiting[0]);
            _peer.Cut(slot.Id, kept);
            _waiting.RemoveAt(0);
        }
        return true;
    }

    /// <summary>The session's own slot, else the one left alone longest; null while all run.</summary>
    private LlamaSlot? SlotFor(LlamaJob job)
    {
        IEnumerable<LlamaSlot> free = _slots.Where(slot => slot.Job is null);
        return free.FirstOrDefault(slot => slot.Session is { } session && session == job.Request.Session)
            ?? free.MinBy(slot => slot.LastUse);
    }

    private void Step()
    {
        _batch.Clear();
        foreach (LlamaSlot slot in _slots.Where(slot => slot.IsDecoding))
            _batch.Add(slot, 1);
        foreach (LlamaSlot slot in _slots.Where(slot => slot.Job is not null && !slot.IsDecoding))
            _batch.Add(slot, slot.PendingTokens);
        _peer.Decode(_batch.Tokens, _batch.Positions, _batch.Sequences, _batch.Wanted);
        foreach ((LlamaSlot slot, int index) in _batch.WantedRows)
            slot.Append(Argmax(_peer.Logits(index, _vocabularySize)));
    }

    private static int Argmax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best])
                best = i;
        }
        return best;
    }
}
