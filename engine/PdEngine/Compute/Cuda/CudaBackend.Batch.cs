using PdEngine.Interop;

namespace PdEngine;

// A batch from its begin to its end, and how its launches go out; what the driver refuses is named.
internal sealed partial class CudaBackend
{
    public void Begin(AttentionBatch batch, KvStore store, int tokenCount)
    {
        batch.CheckFits(store, tokenCount);
        CudaKvStore own = (CudaKvStore)store;
        Check.That(own.Lane == Lane);
        own.Pool.Require();
        try
        {
            _gpu.Context.MakeCurrent();
            _batch.Begin(batch, own, tokenCount);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    public void End()
    {
        try
        {
            _batch.End();
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    public void Await(SampleBatch samples)
    {
        try
        {
            _gpu.Context.MakeCurrent();
            _batch.Sampling.Await(samples);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    private void EndLayer(int layer)
    {
        try
        {
            _batch.EndLayer(layer);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    public void Publish()
    {
        try
        {
            _gpu.Context.MakeCurrent();
            _batch.Flush();
            Lane.Publish();
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    public void Follow(IBackend other)
    {
        try
        {
            Lane.Follow(((CudaBackend)other).Lane);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    public void ShareDraws(IReadOnlyList<IBackend> ranks)
    {
        _draws = ((CudaBackend)ranks[0])._batch.Sampling;
        if (ranks[0] == this)
            _draws.ShareWith([.. ranks.Select(rank => ((CudaBackend)rank)._gpu).Distinct()]);
    }

    private void Launch<T>(CudaFunction kernel, CudaExtent grid, int threads, int sharedBytes, in T args)
        where T : unmanaged
    {
        try
        {
            _batch.Launch(kernel, grid, threads, sharedBytes, args);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }

    private ulong PutRows(ReadOnlySpan<int> rows)
    {
        try
        {
            return _batch.PutRows(rows);
        }
        catch (CudaException refused)
        {
            throw _gpu.Refused(refused);
        }
    }
}
