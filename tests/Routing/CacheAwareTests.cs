namespace PdEngine.Tests;

public sealed class CacheAwareTests
{
    [TestCase(100, 2)]
    [TestCase(30, 2)]
    [TestCase(29, 1)]
    [TestCase(0, 1)]
    public void The_longest_prefix_wins_where_it_is_three_tenths_of_the_prompt(int cached, int expected)
    {
        RouteRig rig = new(RouterPolicy.CacheAware, 3);
        rig.Set(0, requests: 2, cached: cached / 2);
        rig.Set(1, requests: 1);
        rig.Set(2, requests: 3, cached: cached);
        Assert.That(rig.Route(prompt: new int[100]), Is.EqualTo(expected));
    }

    [TestCase(60, 50, ExpectedResult = 1, Description = "by 10 and a fifth")]
    [TestCase(61, 50, ExpectedResult = 0, Description = "by 11 and above a fifth")]
    [TestCase(10, 0, ExpectedResult = 1, Description = "by 10")]
    [TestCase(11, 0, ExpectedResult = 0, Description = "by 11")]
    [TestCase(115, 100, ExpectedResult = 1, Description = "by 15 but under a fifth")]
    public int Loads_that_drift_apart_go_before_the_cache(int cachedLoad, int freeLoad)
    {
        RouteRig rig = new(RouterPolicy.CacheAware, 2);
        rig.Set(0, freeLoad);
        rig.Set(1, cachedLoad, cached: 10);
        return rig.Route();
    }

    [Test]
    public void Workers_that_share_a_cache_share_the_load()
    {
        RouteRig rig = new(RouterPolicy.CacheAware, 3);
        rig.Set(0, requests: 5, cached: 10);
        rig.Set(1, requests: 4, pending: 7, cached: 10);
        rig.Set(2, requests: 4, pending: 6, cached: 10);
        Assert.That(rig.Route(), Is.EqualTo(2));
        rig.Set(2, requests: 4, pending: 7, cached: 10);
        Assert.That(rig.Route(), Is.EqualTo(1), "the lowest number of equals");
    }
}
