namespace PdEngine.Tests;

/// <summary>A backend with one model's weights in it.</summary>
internal sealed class TestModel : IDisposable
{
    private TestModel(TestBackend described, ICheckpoint checkpoint)
    {
        Described = described;
        Backend = described.Open!();
        Weights = ModelWeights.Load(checkpoint, Backend);
    }

    public TestBackend Described { get; }

    public IBackend Backend { get; }

    public ModelWeights Weights { get; }

    /// <summary>
    /// The named backend with a checkpoint's weights; the test is skipped where it cannot run.
    /// </summary>
    public static TestModel Load(string backend, ICheckpoint checkpoint)
    {
        using (checkpoint)
            return new(TestBackends.Require(backend), checkpoint);
    }

    public void Dispose()
    {
        Weights.Dispose();
        Backend.Dispose();
    }
}
