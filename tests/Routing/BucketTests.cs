namespace PdEngine.Tests;

public sealed class BucketTests
{
    [Test]
    public void Lengths_are_sorted_over_the_workers_by_bounds_that_follow_them([Values(1, 2, 3)] int seed)
    {
        RouteRig rig = new(RouterPolicy.Bucket, 3);
        Random random = new(seed);
        foreach (int scale in (int[])[1, 8])
        {
            for (int i = 0; i < 600; i++)
                rig.Route(prompt: new int[scale * random.Next(10, 1000)]);
            Assert.That(rig.Route(prompt: new int[scale * 20]), Is.Zero, $"scale {scale}");
            Assert.That(rig.Route(prompt: new int[scale * 990]), Is.EqualTo(2), $"scale {scale}");
        }
        Assert.That(rig.Route(prompt: new int[900]), Is.Zero, "long before, short now");
    }

    [Test]
    public void Every_worker_gets_about_the_same_tokens([Values(1, 2, 3)] int seed)
    {
        RouteRig rig = new(RouterPolicy.Bucket, 4);
        Random random = new(seed);
        long[] tokens = new long[4];
        for (int i = 0; i < 8000; i++)
        {
            int length = random.Next(8) == 0 ? random.Next(2000, 8000) : random.Next(10, 300);
            tokens[rig.Start(prompt: new int[length])] += length;
            if (rig.RunningCount > 40)
                rig.FinishOne(random);
        }
        Assert.That(tokens, Is.All.EqualTo(tokens.Average()).Within(tokens.Average() * 0.25));
    }

    [Test]
    public void Prompts_of_one_length_are_shared_by_load()
    {
        RouteRig rig = new(RouterPolicy.Bucket, 4);
        for (int i = 0; i < 400; i++)
            rig.Start(prompt: new int[100]);
        Assert.That(rig.PickCounts.Values, Is.All.EqualTo(100));
    }

    [Test]
    public void A_bucket_that_falls_behind_gives_to_the_least_loaded()
    {
        RouteRig rig = new(RouterPolicy.Bucket, 2);
        Random random = new(4);
        for (int i = 0; i < 200; i++)
            rig.Route(prompt: new int[random.Next(10, 1000)]);
        Assert.That(rig.Route(prompt: new int[1000]), Is.EqualTo(1));
        rig.Set(1, requests: 4, pending: 4000);
        Assert.That(rig.Route(prompt: new int[1000]), Is.EqualTo(1), "a few of its own are not far behind");
        rig.Set(1, requests: 8, pending: 8000);
        Assert.That(rig.Route(prompt: new int[1000]), Is.Zero);
        rig.Set(1, requests: 11);
        Assert.That(rig.Route(prompt: new int[1000]), Is.Zero, "by requests where no tokens are pending");
    }
}
