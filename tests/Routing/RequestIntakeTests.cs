namespace PdEngine.Tests;

public sealed class RequestIntakeTests
{
    [Test]
    public void The_routing_key_and_the_session_come_through_the_door()
    {
        RequestIntake intake = new(TestConfigs.Plain, null, null, contextTokens: 512, seed: 1);
        int[] prompt = [1, 2];
        GenerateRequest asked = new() { InputIds = prompt, RoutingKey = "key", SessionId = "session" };
        Request request = intake.Admit(asked, new(1));
        Assert.That(request.RoutingKey, Is.EqualTo("key"));
        Assert.That(request.SessionId, Is.EqualTo("session"));
    }
}
