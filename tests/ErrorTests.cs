namespace PdEngine.Tests;

public sealed class ErrorTests
{
    [Test]
    public void A_broken_invariant_names_its_rule()
    {
        InvariantException error = Assert.Throws<InvariantException>(() => Check.That(1 + 1 == 3))!;
        Assert.That(error.Message, Does.Contain("1 + 1 == 3"));
    }
}
