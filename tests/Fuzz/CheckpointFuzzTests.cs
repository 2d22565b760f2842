namespace PdEngine.Tests;

public sealed class CheckpointFuzzTests
{
    [Test]
    public void Spoilt_files_open_or_are_refused_and_cost_little([Values(1, 2)] int seed) =>
        Assert.That(CheckpointFuzz.Run(count: 13_000, seed), Is.GreaterThan(6500));
}
