namespace PdEngine.Tests;

/// <summary>A backend with one model's weights in it.</summary>
internal sealed class TestModel : IDisposable
{
    private TestModel(
        TestBackend described, ICheckpoint checkpoint, Quantization quantization, bool quantisesHead)
    {
        Described = described;
        Backend = described.Open!();
        Weights = ModelWeights.Load(
            checkpoint, Backend, quantization: quantization, quantisesHead: quantisesHead);
    }

    public TestBackend Described { get; }

    public IBackend Backend { get; }

    public ModelWeights Weights { get; }

    /// <summary>
    /// The named backend with a checkpoint's weights; the test is skipped where it cannot run.
    /// </summary>
    public static TestModel Load(
        string backend, ICheckpoint checkpoint, Quantization quantization = Quantization.None,
        bool quantisesHead = ModelWeights.QuantisesHead)
    {
        using (checkpoint)
            return new(TestBackends.Require(backend), checkpoint, quantization, quantisesHead);
    }

    public void Dispose()
    {
        Weights.Dispose();
        Backend.Dispose();
    }
}
