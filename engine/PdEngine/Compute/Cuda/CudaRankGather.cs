using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The ranks of one worker whose GPUs do not reach each other's memory: each gathers what all have made with
/// NCCL, and adds it up in the same order as ranks that do. The threads of the ranks call it, each for its
/// own, once they have met: then all of them will.
/// </summary>
internal sealed class CudaRankGather : IDisposable
{
    private readonly IReadOnlyList<CudaBackend> _ranks;
    private readonly Nccl _nccl;
    private readonly TimeSpan _timeout;
    private readonly CudaBuffer[] _rooms;
    private readonly CudaEvent[] _ended;
    private readonly long _slotBytes;
    private readonly Func<bool> _never = static () => false;
    private NcclCommunicator[]? _communicators;
    private string _whyNone = "";

    private CudaRankGather(IReadOnlyList<CudaBackend> ranks, long elementCount)
    {
        CudaOptions options = ranks[0].Gpu.Options;
        _ranks = ranks;
        _timeout = options.NcclTimeout;
        _slotBytes = elementCount * sizeof(float);
        _nccl = Nccl.Open(options.NcclPath);
        _rooms = new CudaBuffer[ranks.Count];
        _ended = new CudaEvent[ranks.Count];
        try
        {
            for (int rank = 0; rank < ranks.Count; rank++)
            {
                _rooms[rank] = new(ranks[rank].Gpu.Context, _slotBytes * ranks.Count);
                _ended[rank] = new(ranks[rank].Gpu.Context);
            }
            _communicators = OpenAll();
            CheckGather(_communicators);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What gathers for these; null where each reaches all others' memory.</summary>
    /// <param name="ranks">Of one worker.</param>
    /// <param name="elementCount">Most float32 elements that a rank gives at once.</param>
    /// <exception cref="BackendException">
    /// NCCL is missing, too old, or cannot bring the ranks together.
    /// </exception>
    public static CudaRankGather? For(IReadOnlyList<CudaBackend> ranks, long elementCount)
    {
        CudaGpu[] gpus = [.. ranks.Select(rank => rank.Gpu).Distinct()];
        (CudaGpu From, CudaGpu To)[] apart =
        [
            .. from one in gpus from other in gpus where one != other && !one.CanReach(other)
               select (one, other),
        ];
        if (apart.Length == 0)
            return null;
        string why = $"GPU {apart[0].From.Device.Ordinal} cannot reach the memory of GPU "
            + $"{apart[0].To.Device.Ordinal}, so the ranks of one worker must gather with NCCL";
        if (gpus.Length < ranks.Count)
        {
            throw new BackendException(
                $"{why}, which takes one rank a GPU: {ranks.Count} ranks share {gpus.Length}. Name a GPU for "
                + "each rank in devices, or set tp_size to 1.");
        }
        try
        {
            return new(ranks, elementCount);
        }
        catch (CudaException refused)
        {
            throw new BackendException(
                $"{why}: {refused.Message.TrimEnd('.')}. Or set tp_size to 1, or place the ranks on GPUs "
                + "that reach each other.", refused);
        }
    }

    /// <summary>residual += the partial products of all ranks, added pairwise, + bias.</summary>
    /// <param name="rank">The caller's.</param>
    /// <param name="partial">The caller's part, with as many rows as those of all others.</param>
    /// <param name="bias">[1, columns], or null.</param>
    /// <param name="residual">The caller's own.</param>
    /// <param name="isGivenUp">Whether another rank has failed.</param>
    public void Add(int rank, Tensor partial, Tensor? bias, Tensor residual, Func<bool> isGivenUp)
    {
        long bytes = Gather(rank, partial, isGivenUp);
        Span<ulong> parts = stackalloc ulong[_ranks.Count];
        for (int other = 0; other < parts.Length; other++)
            parts[other] = _rooms[rank].First + (ulong)(other * bytes);
        _ranks[rank].AddParts(parts, partial.Stride, bias, residual);
    }

    /// <summary>
    /// Rank 0 gets the columns that every rank has made; waits until they are there, or a rank has failed.
    /// </summary>
    /// <param name="rank">The caller's.</param>
    /// <param name="own">The caller's columns, with the stride of those of all others.</param>
    /// <param name="whole">Of rank 0.</param>
    /// <param name="parts">First column and count of each rank.</param>
    /// <param name="isGivenUp">Whether another rank has failed.</param>
    public void Join(
        int rank, Tensor own, Tensor whole, ReadOnlySpan<(int First, int Count)> parts, Func<bool> isGivenUp)
    {
        long bytes = Gather(rank, own, isGivenUp);
        for (int other = 0; rank == 0 && other < parts.Length; other++)
        {
            _ranks[0].PutColumns(
                _rooms[0].First + (ulong)(other * bytes), own.Stride, own.Rows, whole, parts[other].First,
                parts[other].Count);
        }
        try
        {
            _ended[rank].Record(_ranks[rank].Lane.Stream);
            _communicators![rank].Await(_ended[rank], isGivenUp);
        }
        catch (CudaException refused)
        {
            throw _ranks[rank].Gpu.Refused(refused);
        }
    }

    /// <summary>
    /// A rank has failed and all have left the step: what the others began is given up, and they come
    /// together anew.
    /// </summary>
    public void Mend()
    {
        Abort();
        try
        {
            _communicators = OpenAll();
        }
        catch (CudaException refused)
        {
            _whyNone = refused.Message;
        }
    }

    public void Dispose()
    {
        Abort();
        foreach (CudaEvent? ended in _ended)
            ended?.Dispose();
        foreach (CudaBuffer? room in _rooms)
            room?.Dispose();
    }

    private NcclCommunicator[] OpenAll() =>
        NcclCommunicator.OpenAll(_nccl, [.. _ranks.Select(rank => rank.Gpu.Context)], _timeout);

    private void Abort()
    {
        foreach (NcclCommunicator communicator in _communicators ?? [])
            communicator.Abort();
        _communicators = null;
    }

    /// <summary>Gathers known bytes once, and compares what every rank got with what was given.</summary>
    private void CheckGather(NcclCommunicator[] communicators)
    {
        const int bytes = 1024;
        byte[] sent = new byte[bytes * _ranks.Count];
        new Random(_ranks.Count).NextBytes(sent);
        CudaBuffer[] sources = [.. _ranks.Select(rank => new CudaBuffer(rank.Gpu.Context, bytes))];
        CudaBuffer[] targets = [.. _ranks.Select(rank => new CudaBuffer(rank.Gpu.Context, sent.Length))];
        try
        {
            for (int rank = 0; rank < _ranks.Count; rank++)
                _ranks[rank].Gpu.Upload(sources[rank].First, sent.AsSpan(rank * bytes, bytes));
            _nccl.Together(() =>
            {
                for (int rank = 0; rank < _ranks.Count; rank++)
                {
                    communicators[rank].AllGather(
                        sources[rank].First, targets[rank].First, bytes, _ranks[rank].Lane.Stream);
                }
            });
            for (int rank = 0; rank < _ranks.Count; rank++)
            {
                communicators[rank].Settle(_never);
                _ranks[rank].Gpu.Context.MakeCurrent();
                _ended[rank].Record(_ranks[rank].Lane.Stream);
            }
            byte[] came = new byte[sent.Length];
            for (int rank = 0; rank < _ranks.Count; rank++)
            {
                communicators[rank].Await(_ended[rank], _never);
                _ranks[rank].Gpu.Download(targets[rank].First, came);
                int first = came.AsSpan().CommonPrefixLength(sent);
                if (first < came.Length)
                {
                    throw CudaPeerCheck.Wrong(
                        _ranks[first / bytes], _ranks[rank], "a gather",
                        $"byte {first % bytes} is {came[first]} and not {sent[first]}");
                }
            }
        }
        finally
        {
            foreach (CudaBuffer buffer in (CudaBuffer[])[.. sources, .. targets])
                buffer.Dispose();
        }
    }

    private long Gather(int rank, Tensor own, Func<bool> isGivenUp)
    {
        if (_communicators is not { } communicators)
            throw new BackendException($"The ranks did not come together again: {_whyNone}");
        long bytes = (long)own.Rows * own.Stride * sizeof(float);
        Check.That(bytes <= _slotBytes && own.Memory is CudaTensorMemory { IsHalf: false });
        try
        {
            _ranks[rank].Gpu.Context.MakeCurrent();
            _ranks[rank].Flush();
            communicators[rank].AllGather(
                (ulong)own.Address, _rooms[rank].First, bytes, _ranks[rank].Lane.Stream);
            communicators[rank].Settle(isGivenUp);
            return bytes;
        }
        catch (CudaException refused)
        {
            throw _ranks[rank].Gpu.Refused(refused);
        }
    }
}
