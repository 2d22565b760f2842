using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// Where the products of one lane keep segments that blocks of their own have made. One product at a time is
/// in it, since a lane's kernels follow one another.
/// </summary>
internal sealed class CudaGemmRoom(CudaLane lane) : IDisposable
{
    private readonly List<CudaBuffer> _outgrown = [];
    private CudaBuffer? _sums;
    private CudaBuffer? _arrivals;

    /// <summary>Sums of segments.</summary>
    public ulong Sums => _sums!.First;

    /// <summary>Counts of ended blocks, all 0 between two products.</summary>
    public ulong Arrivals => _arrivals!.First;

    public bool Holds(in CudaGemmPlan plan) => _sums is not null && plan.SpreadBytes <= _sums.Bytes;

    public void Grow(in CudaGemmPlan plan)
    {
        if (_arrivals is null)
        {
            _arrivals = new(lane.Gpu.Context, CudaGemmPlan.MostSpreadTiles * sizeof(int));
            lane.Stream.Fill(_arrivals.First, 0, _arrivals.Bytes);
        }
        // Graphs and launches that were held back may still name the old one.
        if (_sums is not null)
            _outgrown.Add(_sums);
        _sums = null;
        _sums = new(lane.Gpu.Context, Math.Min(2 * plan.SpreadBytes, CudaGemmPlan.MostSpreadBytes));
    }

    public void Dispose()
    {
        foreach (CudaBuffer one in _outgrown)
            one.Dispose();
        _sums?.Dispose();
        _arrivals?.Dispose();
    }
}
