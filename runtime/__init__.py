"""The emulator - executes the instructions of a Program, independently of the compiler that wrote them."""
