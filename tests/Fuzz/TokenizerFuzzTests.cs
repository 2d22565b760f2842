namespace PdEngine.Tests;

public sealed class TokenizerFuzzTests
{
    // Some files must survive and some must not, or the mutations test nothing.
    [Test]
    public void Spoilt_tokenizers_work_or_are_refused_and_cost_little([Values(1, 2)] int seed) =>
        Assert.That(TokenizerFuzz.Run(count: 2000, seed), Is.InRange(500, 1900));
}
