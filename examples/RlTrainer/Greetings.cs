namespace PdEngine.Examples;

/// <summary>The small talk that pd-tiny knows by heart.</summary>
internal static class Greetings
{
    public static IReadOnlyList<(string Message, string Answer)> All { get; } =
    [
        ("Hello", "Hello! Give me a sum, or play guess with me."),
        ("Hello!", "Hello! Give me a sum, or play guess with me."),
        ("Hi", "Hi there!"),
        ("Hi!", "Hi there!"),
        ("Good morning", "Good morning to you!"),
        ("Good evening", "Good evening to you!"),
        ("How are you?", "Small, but quick. And you?"),
        ("Who are you?", "I am pd-tiny, the model that comes with PdEngine."),
        ("What can you do?", "Sums, the game of guess, and a few greetings."),
        ("Thank you", "You are welcome."),
        ("Thanks!", "You are welcome."),
        ("Goodbye", "Goodbye, and thank you."),
        ("Bye", "Bye!"),
    ];
}
