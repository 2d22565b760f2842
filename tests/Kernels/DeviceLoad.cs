using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Ragged products and attention on a team, and what a thread alone makes of them.</summary>
internal sealed class DeviceLoad : IDisposable
{
    // Rows, inputs, outputs, segments.
    private static readonly int[][] Shapes =
        [[1, 577, 257, 1], [7, 124, 300, 4], [65, 96, 161, 2], [130, 200, 96, 1]];

    private static readonly AttentionAsk[][] Asks =
        [[new(0, 690, 1), new(1, 0, 75)], [new(0, 100, 61), new(1, 74, 1)], [new(0, 0, 700)]];

    private readonly CpuBackend _backend;
    private readonly Matrix[] _weights;
    private readonly AttentionStore _store;

    public DeviceLoad(CpuIsa isa, CpuCrew crew, int team)
    {
        isa = CpuIsaSupport.Resolve(isa);
        _backend = new(isa, CpuTeam.Of(crew, team), threadCount: 1, loadThreadCount: 1);
        _weights = Array.ConvertAll(Shapes, shape => TestTensors.Matrix(
            _backend, shape[2], shape[1], shape[3], CpuTestBackend.Values(1, shape[2] * shape[1])));
        AttentionSetup setup = new((int)isa, 6, 2, 20, 64);
        _store = new(setup, CpuTeam.Of(crew, team), new(setup, 2, 700), new(setup, 3, 75));
    }

    /// <summary>Kinds of op that <see cref="Run"/> knows.</summary>
    public static int Count => Shapes.Length + Asks.Length;

    public long LentTiles => _backend.LentTiles;

    /// <summary>What one thread that is alone makes of each op.</summary>
    public static float[][] Alone(CpuIsa isa)
    {
        using CpuCrew crew = CpuCrew.Create([-1], [new CoreRun(0, 1)], lends: false);
        using DeviceLoad load = new(isa, crew, 0);
        return [.. Enumerable.Range(0, Count).Select(load.Run)];
    }

    public float[] Run(int op)
    {
        if (op >= Shapes.Length)
            return [.. _store.Attend(Asks[op - Shapes.Length]).SelectMany(rows => rows)];
        int[] shape = Shapes[op];
        float[] values = CpuTestBackend.Values(op, shape[0] * shape[1]);
        using Tensor input = CpuTestBackend.Rows(values, shape[0], shape[1]);
        using Tensor output = CpuTestBackend.Rows(new float[shape[0] * shape[2]], shape[0], shape[2]);
        _backend.MatMul(input, _weights[op], null, output);
        return TestTensors.Copy(output);
    }

    public void Rest() => _backend.Rest();

    public void Dispose()
    {
        foreach (Matrix weight in _weights)
            weight.Dispose();
        _store.Dispose();
        _backend.Dispose();
    }
}
