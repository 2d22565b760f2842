namespace PdEngine.Tests;

public sealed class HostCoresTests
{
    [TestCase(" 0-3,8,10-11", new[] { 0, 1, 2, 3, 8, 10, 11 })]
    [TestCase("5", new[] { 5 })]
    public void A_kernel_list_is_read(string list, int[] expected) =>
        Assert.That(HostCores.Parse(list), Is.EqualTo(expected));

    [TestCase("")]
    [TestCase("3-1")]
    [TestCase("a")]
    [TestCase("1-2-3")]
    public void Anything_else_is_not_a_list(string list) => Assert.That(HostCores.Parse(list), Is.Null);

    [Test]
    public void This_process_may_use_as_many_cores_as_the_runtime_counts()
    {
        if (HostCores.Allowed() is not { } cores)
            Assert.Ignore("the system lists no cores");
        else
            Assert.That(cores, Has.Count.GreaterThanOrEqualTo(Environment.ProcessorCount));
    }
}
