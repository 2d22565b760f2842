using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>
/// One rank of a group of GPUs that gather from each other. Its calls do not block: what is put on a stream
/// is asked after, and given up where it does not end. One thread at a time calls it.
/// </summary>
internal sealed unsafe class NcclCommunicator : CudaHandle
{
    private const int Bytes = 1;

    private readonly Nccl _nccl;
    private readonly TimeSpan _timeout;
    private readonly int _rank;
    private readonly int _count;
    private readonly nint* _made;
    private volatile bool _isWhole;

    private NcclCommunicator(
        Nccl nccl, CudaContext context, in NcclId id, int rank, int count, TimeSpan timeout)
        : base(context)
    {
        (_nccl, _timeout, _rank, _count) = (nccl, timeout, rank, count);
        context.MakeCurrent();
        NcclConfiguration configuration = new();
        // A thread of the library's own writes it once more when the group has come together.
        _made = (nint*)NativeMemory.AllocZeroed((nuint)sizeof(nint));
        NcclResult begun = nccl.ncclCommInitRankConfig(_made, count, id, rank, &configuration);
        if (begun is NcclResult.Success or NcclResult.InProgress)
        {
            SetHandle(*_made);
            return;
        }
        Forget();
        throw nccl.Failure(begun, 0, nameof(nccl.ncclCommInitRankConfig));
    }

    /// <summary>A rank for each GPU, all ready; a GPU can be only one of them.</summary>
    /// <param name="nccl">The library.</param>
    /// <param name="contexts">Of the GPUs, by rank.</param>
    /// <param name="timeout">How long to wait for anything of it.</param>
    /// <exception cref="CudaException">They do not come together, or not in time.</exception>
    public static NcclCommunicator[] OpenAll(
        Nccl nccl, IReadOnlyList<CudaContext> contexts, TimeSpan timeout)
    {
        NcclId id = nccl.NewId();
        NcclCommunicator[] ranks = new NcclCommunicator[contexts.Count];
        try
        {
            nccl.Together(() =>
            {
                for (int rank = 0; rank < ranks.Length; rank++)
                    ranks[rank] = new(nccl, contexts[rank], id, rank, ranks.Length, timeout);
            });
            foreach (NcclCommunicator rank in ranks)
                rank.Await("a group of ranks came together", static () => false);
            foreach (NcclCommunicator rank in ranks)
                rank._isWhole = true;
            return ranks;
        }
        catch
        {
            foreach (NcclCommunicator? rank in ranks)
                rank?.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Puts on a stream of its GPU: the target gets the bytes of all ranks' sources, by rank. Every rank
    /// calls, in the same order; nothing of it can be captured into a graph.
    /// </summary>
    /// <exception cref="CudaException">It failed, or another call before it.</exception>
    public void AllGather(ulong source, ulong target, long bytes, CudaStream stream)
    {
        Context.MakeCurrent();
        NcclResult put = _nccl.ncclAllGather(
            source, target, (nuint)bytes, Bytes, handle, stream.Address);
        if (put is not (NcclResult.Success or NcclResult.InProgress))
            throw Broken(_nccl.Failure(put, handle, nameof(_nccl.ncclAllGather)));
    }

    /// <summary>Waits until the calls so far have put their work on their streams.</summary>
    /// <param name="isGivenUp">Asked meanwhile: true ends the wait as a failure.</param>
    /// <exception cref="CudaException">One failed, or does not end in time.</exception>
    public void Settle(Func<bool> isGivenUp) => Await("a collective was put on its stream", isGivenUp);

    /// <summary>Waits until what an event recorded has run, with all collectives before it.</summary>
    /// <param name="recorded">On the stream of the collectives.</param>
    /// <param name="isGivenUp">Asked meanwhile: true ends the wait as a failure.</param>
    /// <exception cref="CudaException">One failed, or does not end in time.</exception>
    public void Await(CudaEvent recorded, Func<bool> isGivenUp)
    {
        long start = Stopwatch.GetTimestamp();
        for (SpinWait spin = default; !recorded.IsDone; spin.SpinOnce())
        {
            if (State() is not (NcclResult.Success or NcclResult.InProgress) and var failed)
                throw Broken(_nccl.Failure(failed, handle, "a collective"));
            ThrowIfOver(start, "a collective ended", isGivenUp);
        }
    }

    /// <summary>
    /// Ends what it has begun, whatever the other ranks do; nothing can be asked of it any more. (Its
    /// disposal does the same where a call has failed.)
    /// </summary>
    public void Abort()
    {
        _isWhole = false;
        Dispose();
    }

    private protected override CudaResult Free(nint owned)
    {
        // Of a group that was given up, that thread may still be about to: it keeps these few bytes.
        if (_isWhole)
            NativeMemory.Free(_made);
        NcclResult ended = _isWhole ? _nccl.ncclCommDestroy(owned) : _nccl.ncclCommAbort(owned);
        return ended is NcclResult.Success or NcclResult.InProgress ? CudaResult.Success : CudaResult.Unknown;
    }

    private void Await(string what, Func<bool> isGivenUp)
    {
        long start = Stopwatch.GetTimestamp();
        for (SpinWait spin = default; ; spin.SpinOnce())
        {
            NcclResult state = State();
            if (state == NcclResult.Success)
                return;
            if (state != NcclResult.InProgress)
                throw Broken(_nccl.Failure(state, handle, $"until {what}"));
            ThrowIfOver(start, what, isGivenUp);
        }
    }

    private NcclResult State()
    {
        NcclResult state = NcclResult.Success;
        NcclResult asked = _nccl.ncclCommGetAsyncError(handle, &state);
        return asked == NcclResult.Success ? state : asked;
    }

    private void ThrowIfOver(long start, string what, Func<bool> isGivenUp)
    {
        if (isGivenUp())
            throw Broken(new(CudaResult.Unknown, "Another rank of this step has failed"));
        if (Stopwatch.GetElapsedTime(start) <= _timeout)
            return;
        throw Broken(new(
            CudaResult.Timeout, $"NCCL ({_nccl.Path}): it took over {_timeout.TotalSeconds:0.#} s until "
            + $"{what}, at rank {_rank} of {_count}, and was given up; a rank is gone or stuck"));
    }

    private CudaException Broken(CudaException why)
    {
        _isWhole = false;
        return why;
    }
}
