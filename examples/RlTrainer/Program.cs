using PdEngine.Examples;

return await TrainerCommand.RunAsync(args, Console.Out, Console.Error);
