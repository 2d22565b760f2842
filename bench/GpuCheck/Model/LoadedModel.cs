using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>A model of random weights on the GPU, for every way of computing it.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly CheckMemory _tile;
    private readonly EventClock _clock;

    public LoadedModel(CheckRig rig, CheckModel model)
    {
        using TileCheckpoint checkpoint = new(model);
        _tile = new(rig, 0.5f / MathF.Sqrt(model.Hidden));
        _clock = new(rig);
        Timed = new TiledBackend(rig, rig.Backend, _tile, _clock);
        Weights = ModelWeights.Load(checkpoint, Timed);
        try
        {
            CublasLt library = LibraryPlaces.Open(
                rig.Settings.CublasPath, "libcublasLt.so*", CublasLt.Open, rig.Settings.PythonAsked);
            Cublas = new(rig.Gpu, library, partition: null);
        }
        catch (CudaException)
        {
            // Rows say that it is missing.
        }
        Work = new(Weights);
    }

    public ModelWeights Weights { get; }

    /// <summary>Has cuBLASLt compute products; null where it is not there.</summary>
    public CudaBackend? Cublas { get; }

    /// <summary>Launches kernel by kernel, and times each while <see cref="Clock"/> runs.</summary>
    public IBackend Timed { get; }

    public EventClock Clock => _clock;

    public ModelWork Work { get; }

    public void Dispose()
    {
        Cublas?.Dispose();
        Weights.Dispose();
        _clock.Dispose();
        _tile.Dispose();
    }
}
